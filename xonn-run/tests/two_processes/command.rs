//! The built program, run as the user runs it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread::JoinHandle;
#[cfg(unix)]
use std::time::{Duration, Instant};

fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xonn-run"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    command(arguments).output().expect("the program starts")
}

/// Standard output of a command that must succeed.
pub fn run_ok<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What a command that must fail says: one sentence on one line, and nothing on standard output.
pub fn run_failing<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    failure(&run(arguments))
}

fn failure(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // Which of them it is `codes.rs` says; a crash has another one.
    assert!(output.status.code().is_some_and(|code| (1..=5).contains(&code)), "{text}");
    let sentence = text.strip_prefix("xonn-run: ").unwrap_or_else(|| panic!("{text:?} names the program"));
    let sentence = sentence.strip_suffix('\n').expect("a whole line");
    assert!(!sentence.contains('\n') && !sentence.ends_with('.'), "{sentence:?} is not one sentence");
    sentence.to_owned()
}

/// A command that listens; killed when dropped.
pub struct Listening {
    child: Child,
    /// Where it listens.
    pub address: String,
    /// What it says on standard output before that.
    pub said: Vec<String>,
    rest: Option<JoinHandle<String>>,
}

impl Listening {
    /// Starts a command and waits until it says where it listens.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::spawn(command(arguments))
    }

    /// The same with variables of the environment.
    pub fn start_with<A: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = A>,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = command(arguments);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let mut stderr = child.stderr.take().expect("piped");
        // Read all the time, so that the command never waits for somebody to take its log.
        let rest = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).expect("text");
            text
        });
        let mut listening = Self { child, address: String::new(), said: Vec::new(), rest: Some(rest) };
        let stdout = BufReader::new(listening.child.stdout.take().expect("piped"));
        for line in stdout.lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("listening on ") {
                listening.address = address.to_owned();
                return listening;
            }
            listening.said.push(line);
        }
        panic!("it does not listen: {}", listening.log())
    }

    /// Asks it to end, as the system does.
    #[cfg(unix)]
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal.
    #[cfg(unix)]
    pub fn signal(&self, signal: &str) {
        let asked = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(asked.expect("the command is there").success());
    }

    /// Waits for its end; its log if it succeeded.
    pub fn finish(mut self) -> String {
        let status = self.child.wait().expect("a child of ours");
        let log = self.log();
        assert!(status.success(), "{log}");
        log
    }

    /// Waits for its end, which must come soon; its exit code and its log.
    #[cfg(unix)]
    pub fn end_within(mut self, limit: Duration) -> (Option<i32>, String) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return (status.code(), self.log());
            }
            assert!(begin.elapsed() < limit, "it runs on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end; the one sentence of its failure.
    pub fn fail(mut self) -> String {
        let status = self.child.wait().expect("a child of ours");
        failure(&Output { status, stdout: Vec::new(), stderr: self.log().into_bytes() })
    }

    fn log(&mut self) -> String {
        self.rest.take().map(|rest| rest.join().expect("no panic")).unwrap_or_default()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that says a line to standard error while it runs, and hears nothing on its standard input; killed
/// when dropped.
pub struct Waiting {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Waiting {
    /// Starts a command.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut child = command(arguments).stdin(Stdio::piped()).spawn().expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, log }
    }

    /// The next line of its log.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).expect("text");
        line
    }

    /// Waits for its end; its standard output if it succeeded.
    pub fn finish(mut self) -> String {
        let mut log = String::new();
        self.log.read_to_string(&mut log).expect("text");
        assert!(self.child.wait().expect("a child of ours").success(), "{log}");
        let mut text = String::new();
        self.child.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
        text
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
