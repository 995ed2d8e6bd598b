//! What a run takes, and the program around the runs: the same for both packages here.

use std::fs;
use std::time::{Duration, Instant};

/// What a run took.
#[derive(Clone, Copy)]
pub struct Cost {
    /// From the first message to the last output.
    pub wall: Duration,
    /// Processor time of all threads, both roles and what sends for them.
    pub processor: Duration,
    /// Bytes over the loopback device, both ways, headers included.
    pub bytes: u64,
}

/// Starts to count.
pub struct Meter(Instant, Duration, u64);

impl Meter {
    /// From now on.
    pub fn start() -> Self {
        Self(Instant::now(), processor_time(), loopback_bytes())
    }

    /// What has been used since the start, by threads that are still alive.
    pub fn stop(&self) -> Cost {
        let wall = self.0.elapsed();
        Cost { wall, processor: processor_time() - self.1, bytes: loopback_bytes() - self.2 }
    }
}

/// Processor time of all threads: the first number of `schedstat` is nanoseconds.
pub fn processor_time() -> Duration {
    let mut all = 0;
    for task in fs::read_dir("/proc/self/task").expect("Linux has it").flatten() {
        let used = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        all += used.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Duration::from_nanos(all)
}

fn loopback_bytes() -> u64 {
    let devices = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A variant: its name and one run of so many OTs.
pub type Variant<'a> = (&'a str, &'a mut dyn FnMut(usize) -> Cost);

/// Runs each variant once to warm up and once more, and prints of that: name, M OT/s by wall clock, ns of processor time an OT,
/// bytes an OT. The number of OTs is 2 to the first argument.
pub fn run(variants: &mut [Variant]) {
    let log: u32 = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(21);
    let count = 1usize << log;
    for (name, run) in variants {
        run(count);
        let cost = run(count);
        let each = |total: f64| total / count as f64;
        println!(
            "{name}\t{:.1}\t{:.1}\t{:.2}",
            1e3 / each(cost.wall.as_nanos() as f64),
            each(cost.processor.as_nanos() as f64),
            each(cost.bytes as f64),
        );
    }
}
