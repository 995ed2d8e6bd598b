//! All questions of a connection, from the first to the goodbye.
//!
//! A server may garble on purpose so that an evaluation fails for one value of an input bit, and may send an
//! encoding under which some numbers have no code. It learns the bit if the client then acts in another way
//! than it would have. So what drives the questions is here, not with whoever asks: after a failure it goes
//! on to the end on zeros, in the same messages, and says goodbye before it tells. A front end cannot stop
//! early by mistake.

use std::time::{Duration, Instant};

use rand::CryptoRng;
use xonn_program::InputEncoding;
use zeroize::Zeroizing;

use super::Session;
use crate::session::channel::{Traffic, Transport};
use crate::session::error::SessionError;
use xonn_crypto::garble::EvaluateError;

/// An input to ask about. Wiped on drop.
pub struct Question {
    bits: Zeroizing<Vec<bool>>,
    fits: bool,
}

impl Question {
    /// The input's bits. Unless it `fits`, some of it has no code: zeros are asked about in its place, and
    /// there is no answer.
    #[must_use]
    pub fn new(bits: Zeroizing<Vec<bool>>, fits: bool) -> Self {
        Self { bits, fits }
    }

    /// A sample's numbers under an encoding, which may be the server's, who can measure how long it takes:
    /// every number is encoded, also behind one that has no code.
    #[must_use]
    pub fn of_numbers(encoding: &InputEncoding, numbers: impl Iterator<Item = f64>) -> Self {
        let mut bits = Zeroizing::new(Vec::with_capacity(encoding.bit_count()));
        let mut fits = true;
        let most = encoding.elements() / encoding.sample_elements().max(1);
        let mut codes = Zeroizing::new(Vec::with_capacity(most));
        for (element, x) in numbers.enumerate().take(encoding.sample_elements()) {
            codes.clear();
            fits &= encoding.codes_at(x, element, &mut codes).is_ok();
            codes.iter().for_each(|&code| bits.extend(encoding.bits_of(code)));
        }
        Self { bits, fits }
    }

    /// Its bits.
    #[must_use]
    pub fn into_bits(self) -> Zeroizing<Vec<bool>> {
        self.bits
    }

    /// Whether each of its numbers has a code.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.fits
    }
}

/// Why a question has no answer. The server does not know.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// A part of the input has no code.
    #[error("a number of the input has no code")]
    Unfit,
    /// The evaluation gave no valid output.
    #[error("the evaluation failed")]
    Failed(#[source] EvaluateError),
    /// An evaluation before it failed, so zeros were asked about in its place.
    #[error("an evaluation before it failed")]
    After,
}

/// The output bits, if there are any.
pub type Answer = Result<Vec<bool>, Unanswered>;

/// Where questions come from while a client waits, and who is told at once.
///
/// What it does next must not depend on whether there was an answer: the server sees when the next question
/// comes, and whether.
pub trait Questions {
    /// Circuits are ready, this many, and a question may take any time to come.
    fn ready(&mut self, circuits: usize);

    /// Some more questions, at most `left`; none to end.
    fn next(&mut self, left: usize) -> Option<Vec<Question>>;

    /// What came of the oldest one that has not been told of.
    fn answered(&mut self, answer: &Answer);
}

/// What came of all questions.
#[must_use]
pub struct Finished {
    /// An answer for each question that was asked, in order, and how long it took from when its input was
    /// there.
    pub answers: Vec<(Answer, Duration)>,
    /// What each circuit took that was prepared.
    pub preparing: Vec<Duration>,
    /// [`Session::online`].
    pub online: Traffic,
    /// How the connection ended; answers that came before an error stand.
    pub end: Result<Traffic, SessionError>,
}

impl<T: Transport> Session<T> {
    /// Asks one question. It takes the oldest circuit that is ready, else one is garbled now; on a connection
    /// that holds circuits ahead the latter is a [`Session::prepare`] first. After an error the session is
    /// over and the server is told.
    ///
    /// Of an answer that is none the server does not learn: one that garbles one label of an input bit
    /// wrongly would learn the bit. The session goes on, and from then on questions are replaced by zeros. So
    /// whoever would have asked more has to go on asking, at the times at which they would have, and then to
    /// leave as they would have left: [`Session::ask_all`] and [`Session::ask_as_they_come`] see to that.
    /// Dropping the session says goodbye.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn ask(&mut self, question: &Question, rng: &mut impl CryptoRng) -> Result<Answer, SessionError> {
        let spoiled = self.failed.is_some();
        // After a failure `infer` takes zeros by itself.
        let zeros = Zeroizing::new(vec![false; question.bits.len()]);
        let bits = if question.fits { &question.bits } else { &zeros };
        Ok(match self.infer(bits, rng) {
            Ok(_) if !question.fits => Err(Unanswered::Unfit),
            Ok(output) => Ok(output),
            Err(SessionError::Evaluate(_)) if spoiled => Err(Unanswered::After),
            Err(SessionError::Evaluate(failed)) => Err(Unanswered::Failed(failed)),
            Err(error) => return Err(error),
        })
    }

    /// Asks `questions` one after the other, with up to `most` circuits prepared ahead, says goodbye, and
    /// then tells what came of them. `done` is called after each
    /// question.
    pub fn ask_all(
        self,
        questions: Vec<Question>,
        most: usize,
        rng: &mut impl CryptoRng,
        done: impl FnMut(),
    ) -> Finished {
        let count = questions.len();
        let mut questions = AtHand { questions: questions.into_iter(), done };
        self.ask_every(&mut questions, (count, most), false, rng)
    }

    /// The same for questions that come one by one, `limit` at most; each answer is told at once. It ends
    /// when no more questions come, and for nothing else but a connection that fails.
    pub fn ask_as_they_come(
        self,
        questions: &mut impl Questions,
        (limit, most): (usize, usize),
        rng: &mut impl CryptoRng,
    ) -> Finished {
        self.ask_every(questions, (limit, most), true, rng)
    }

    fn ask_every(
        mut self,
        questions: &mut impl Questions,
        (limit, most): (usize, usize),
        wait: bool,
        rng: &mut impl CryptoRng,
    ) -> Finished {
        let (mut answers, mut preparing) = (Vec::new(), Vec::new());
        let told = (&mut answers, &mut preparing);
        let asked = self.ask_each(questions, (limit, most), wait, rng, told);
        let online = self.online();
        let end = asked.and_then(|()| self.finish());
        Finished { answers, preparing, online, end }
    }

    fn ask_each(
        &mut self,
        questions: &mut impl Questions,
        (limit, most): (usize, usize),
        wait: bool,
        rng: &mut impl CryptoRng,
        (answers, preparing): (&mut Vec<(Answer, Duration)>, &mut Vec<Duration>),
    ) -> Result<(), SessionError> {
        let mut prepare = |session: &mut Self, wanted: usize, rng: &mut _| {
            let missing = wanted.min(most).saturating_sub(session.ready());
            if missing > 0 {
                let begin = Instant::now();
                session.prepare_several(missing, rng)?;
                let each = begin.elapsed() / u32::try_from(missing).unwrap_or(u32::MAX);
                preparing.extend(std::iter::repeat_n(each, missing));
            }
            Ok::<_, SessionError>(())
        };
        let mut begun = false;
        // What is left is counted in questions, whatever came of them.
        while answers.len() < limit {
            let left = limit - answers.len();
            prepare(self, left, rng)?;
            if !std::mem::replace(&mut begun, true) && wait {
                // The server counts the time.
                self.flush()?;
                questions.ready(self.ready());
            }
            let Some(some) = questions.next(left) else { break };
            for question in some.iter().take(left) {
                prepare(self, 1, rng)?;
                let begin = Instant::now();
                let answer = self.ask(question, rng)?;
                questions.answered(&answer);
                answers.push((answer, begin.elapsed()));
            }
        }
        Ok(())
    }
}

/// Questions that are all there.
struct AtHand<F> {
    questions: std::vec::IntoIter<Question>,
    done: F,
}

impl<F: FnMut()> Questions for AtHand<F> {
    fn ready(&mut self, _circuits: usize) {}

    fn next(&mut self, _left: usize) -> Option<Vec<Question>> {
        self.questions.next().map(|question| vec![question])
    }

    fn answered(&mut self, _answer: &Answer) {
        (self.done)();
    }
}
