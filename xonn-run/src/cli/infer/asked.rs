//! The samples that were asked about, and what came of each.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use xonn_circuits::program::{Prediction, Program};

use super::super::input::{InputFiles, Loaded, Sample};
use super::super::report;
use crate::session::Traffic;
use crate::session::client::run::{Answer, Finished, Question, Questions, Unanswered};

/// Samples in the order in which they were asked about.
pub struct Asked<'a> {
    program: &'a Program,
    names: Box<dyn Iterator<Item = io::Result<String>> + 'a>,
    quiet: bool,
    /// The files of samples that have no code; of samples that are all there, all files.
    pub files: Vec<Loaded>,
    /// With the number of its file, if that is kept.
    samples: Vec<(Option<usize>, Sample)>,
    told: usize,
    /// The first thing that went wrong beside the answers.
    wrong: Option<String>,
}

/// Answers, and what they took.
pub struct Done {
    pub names: Vec<String>,
    pub predictions: Vec<Prediction>,
    /// How many of the predictions are those of the first samples, with none left out.
    pub first: usize,
    /// A sentence for each sample without a prediction that the reason is known of.
    pub errors: Vec<String>,
    /// Of each inference from when its input was there.
    pub times: Vec<Duration>,
    /// Of each circuit that was prepared.
    pub preparing: Vec<Duration>,
    pub traffic: Traffic,
    pub online: Traffic,
    /// What makes the command fail.
    pub failed: Option<Box<dyn Error>>,
}

impl<'a> Asked<'a> {
    /// None so far. `quiet`: no answer is printed when it comes.
    pub fn new(files: &InputFiles, program: &'a Program, quiet: bool) -> Self {
        let names = Box::new(files.late_names());
        Self { program, names, quiet, files: Vec::new(), samples: Vec::new(), told: 0, wrong: None }
    }

    /// The questions of samples that are all there, each with the number of its file.
    pub fn all(&mut self, samples: Vec<(usize, Sample)>) -> Vec<Question> {
        samples.into_iter().map(|(file, sample)| self.question(Some(file), sample)).collect()
    }

    fn question(&mut self, file: Option<usize>, mut sample: Sample) -> Question {
        let question = Question::new(std::mem::take(&mut sample.bits), sample.fits);
        self.samples.push((file, sample));
        question
    }

    /// What came of it all, when the connection is gone. Prints what was not printed as it came.
    ///
    /// # Errors
    /// If the connection failed before any answer, or standard output cannot be written.
    pub fn done(mut self, finished: Finished, late: bool) -> Result<Done, Box<dyn Error>> {
        let Finished { answers, preparing, online, end } = finished;
        let mut done = Done {
            names: Vec::new(),
            predictions: Vec::new(),
            first: 0,
            errors: Vec::new(),
            times: Vec::new(),
            preparing,
            traffic: *end.as_ref().unwrap_or(&Traffic::default()),
            online,
            failed: None,
        };
        let mut zeros = 0;
        for (number, ((file, sample), (answer, time))) in self.samples.iter().zip(answers).enumerate() {
            match answer {
                Ok(output) => {
                    let prediction = self.program.output().decode(&output);
                    if !late && !self.quiet {
                        report::say(format_args!("{}: {prediction}", sample.name))?;
                    }
                    done.first += usize::from(done.first == number);
                    done.names.push(sample.name.clone());
                    done.predictions.push(prediction);
                    done.times.push(time);
                }
                Err(Unanswered::After) => zeros += 1,
                Err(Unanswered::Unfit) => {
                    let file = file.and_then(|file| self.files.get(file));
                    let unfit = file.map(|file| file.unfit(self.program.input(), sample));
                    done.errors.push(unfit.unwrap_or_else(|| sample.name.clone()));
                }
                Err(error) => done.errors.push(format!("{}: {}", sample.name, report::sentence(&error))),
            }
        }
        if zeros > 0
            && let Some(last) = done.errors.last_mut()
        {
            last.push_str(&format!(
                "; so that the server does not see it, the {zeros} samples behind it were replaced by zeros"
            ));
        }
        if let Some(wrong) = self.wrong.take() {
            done.errors.push(wrong);
        }
        done.failed = match end {
            Err(error) if done.predictions.is_empty() && done.errors.is_empty() => return Err(error.into()),
            Err(error) => Some(error.into()),
            Ok(_) => match done.errors.len() {
                0 => None,
                1 => Some(done.errors[0].clone().into()),
                more => Some(format!("{}; {} samples or names more failed", done.errors[0], more - 1).into()),
            },
        };
        Ok(done)
    }
}

/// Names of files that come on standard input. Each gives one line for each of its samples, whatever came of
/// it, so that the time between two of them does not tell.
impl Questions for Asked<'_> {
    fn ready(&mut self, circuits: usize) {
        report::log(format_args!("ready, with {circuits} circuits; reading file names from standard input"));
    }

    fn next(&mut self, left: usize) -> Option<Vec<Question>> {
        loop {
            let file = match self.names.next()? {
                Ok(name) => Loaded::read(PathBuf::from(name)),
                // A line that is no text is one that somebody can type again; anything else is the end of
                // them.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(error.into()),
                Err(error) => {
                    self.wrong.get_or_insert(format!("standard input: {error}"));
                    return None;
                }
            };
            let encoding = self.program.input();
            let samples = file.and_then(|file| Ok((file.samples(encoding, left)?, file)));
            match samples {
                Ok((samples, file)) => {
                    let kept = samples.iter().any(|sample| !sample.fits).then_some(self.files.len());
                    if kept.is_some() {
                        self.files.push(file);
                    }
                    return Some(samples.into_iter().map(|sample| self.question(kept, sample)).collect());
                }
                // A name or a shape, which are no secrets. Somebody typed it, and can type it again.
                Err(error) => {
                    let sentence = report::sentence(error.as_ref());
                    report::log(&sentence);
                    self.wrong.get_or_insert(sentence);
                }
            }
        }
    }

    fn answered(&mut self, answer: &Answer) {
        let name = &self.samples[self.told].1.name;
        self.told += 1;
        if self.quiet {
            return;
        }
        let said = match answer {
            Ok(output) => report::say(format_args!("{name}: {}", self.program.output().decode(output))),
            Err(_) => report::say(format_args!("{name}: no prediction")),
        };
        if let Err(error) = said {
            // Nobody reads any more, and that is nothing for the server to see.
            self.wrong.get_or_insert(error);
        }
    }
}
