//! The samples that were asked about, and what came of each.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use xonn_program::{Prediction, Program};

use super::super::failure::{Failure, Kind};
use super::super::input::{InputFiles, Loaded, Sample};
use super::super::report;
use crate::session::Traffic;
use crate::session::client::run::{Answer, Finished, Question, Questions, Unanswered};

/// Samples in the order in which they were asked about.
pub struct Asked<'a> {
    program: &'a Program,
    names: Box<dyn Iterator<Item = io::Result<String>> + 'a>,
    json: bool,
    /// The files of samples that have no code; of samples that are all there, all files.
    pub files: Vec<Loaded>,
    /// With the number of its file, if that is kept.
    samples: Vec<(Option<usize>, Sample)>,
    told: usize,
    /// The first thing that went wrong beside the answers.
    wrong: Option<Failure>,
}

/// Answers, and what they took.
pub struct Done {
    pub names: Vec<String>,
    pub predictions: Vec<Prediction>,
    /// How many of the predictions are those of the first samples, with none left out.
    pub first: usize,
    /// One for each sample without a prediction that the reason is known of.
    pub errors: Vec<Failure>,
    /// Of each inference from when its input was there.
    pub times: Vec<Duration>,
    /// Of each circuit that was prepared.
    pub preparing: Vec<Duration>,
    pub traffic: Traffic,
    pub online: Traffic,
    /// What makes the command fail.
    pub failed: Option<Failure>,
}

impl<'a> Asked<'a> {
    /// None so far. What is printed is `json`, or text.
    pub fn new(files: &InputFiles, program: &'a Program, json: bool) -> Self {
        let names = Box::new(files.late_names());
        Self { program, names, json, files: Vec::new(), samples: Vec::new(), told: 0, wrong: None }
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

    /// Prints a line. That nobody reads any more is nothing for the server to see.
    fn say(&mut self, line: impl Display) {
        if let Err(error) = report::say(line) {
            self.wrong.get_or_insert(Failure::of(&error));
        }
    }

    /// What came of it all, when the connection is gone. Prints what was not printed as it came.
    ///
    /// # Errors
    /// If the connection failed before any answer.
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
                    if !late
                        && !self.json
                        && let Err(error) = report::say(format_args!("{}: {prediction}", sample.name))
                    {
                        self.wrong.get_or_insert(Failure::of(&error));
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
                    done.errors.push(Failure::data(unfit.unwrap_or_else(|| sample.name.clone())));
                }
                Err(error) => {
                    let told = format!("{}: {}", sample.name, report::sentence(&error));
                    done.errors.push(Failure::new(Kind::of(&error), told));
                }
            }
        }
        if zeros > 0
            && let Some(last) = done.errors.iter_mut().rfind(|error| error.kind() == Kind::Protocol)
        {
            *last = Failure::new(
                last.kind(),
                format_args!(
                    "{last}; so that the server does not see it, the {zeros} samples behind it were \
                     replaced by zeros"
                ),
            );
        }
        if let Some(wrong) = self.wrong.take() {
            done.errors.push(wrong);
        }
        done.failed = match end {
            Err(error) if done.predictions.is_empty() && done.errors.is_empty() => return Err(error.into()),
            // How the connection ended is what the server knows as well: a script that tries again because
            // of this code does so whatever came of the evaluations.
            Err(error) => Some(Failure::of(&error)),
            Ok(_) => worst(&done.errors),
        };
        Ok(done)
    }
}

/// What makes a command fail of whose samples some did: the first evaluation that failed, or the first of
/// all.
fn worst(errors: &[Failure]) -> Option<Failure> {
    let failed = errors.iter().find(|error| error.kind() == Kind::Protocol);
    let first = failed.or(errors.first())?;
    Some(match errors.len() - 1 {
        0 => first.clone(),
        more => Failure::new(first.kind(), format_args!("{first}; {more} samples or names more failed")),
    })
}

/// Names of files that come on standard input. Each gives one line for each of its samples, whatever came of
/// it, so that the time between two of them does not tell.
impl Questions for Asked<'_> {
    fn ready(&mut self, circuits: usize) {
        report::log(format_args!("ready, with {circuits} circuits; reading file names from standard input"));
    }

    fn next(&mut self, left: usize) -> Option<Vec<Question>> {
        loop {
            let (name, file) = match self.names.next()? {
                Ok(name) => (Some(name.clone()), Loaded::read(PathBuf::from(name))),
                // A line that is no text is one that somebody can type again; anything else is the end of
                // them.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    (None, Err(Failure::data(error).into()))
                }
                Err(error) => {
                    let told = format!("standard input: {error}");
                    self.wrong.get_or_insert(Failure::new(Kind::Other, told));
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
                    let failure = Failure::of(error.as_ref());
                    report::log(&failure);
                    if self.json {
                        // Whoever waits for a line of each name gets one.
                        let line = json!({ "input": name, "prediction": null, "error": failure.json() });
                        self.say(line);
                    }
                    self.wrong.get_or_insert(failure);
                }
            }
        }
    }

    fn answered(&mut self, answer: &Answer) {
        let name = &self.samples[self.told].1.name;
        self.told += 1;
        let prediction = answer.as_ref().ok().map(|output| self.program.output().decode(output));
        let line = match (prediction, self.json) {
            (prediction, true) => json!({ "input": name, "prediction": prediction }).to_string(),
            (Some(prediction), false) => format!("{name}: {prediction}"),
            (None, false) => format!("{name}: no prediction"),
        };
        self.say(line);
    }
}
