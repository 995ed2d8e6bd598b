//! Neurons a second: signs of 12-bit sums (w = 11) as numbers of 11 bits, without a pool and with 2x2 OR
//! pools. First both roles one after the other, each with all processors; then both at once on two threads.
//!
//!     cargo run --release -p xonn-protocols --example signs

use std::sync::Arc;
use std::time::{Duration, Instant};

use chacha20::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use xonn_crypto::block::{Backend, Block, Tccr};
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::sign::{Client, Plan, Server};
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use xonn_protocols::steps::windows::Windows;

type Failure = Box<dyn std::error::Error>;

/// 64 channels of 32 x 32.
const SHAPE: [usize; 3] = [64, 32, 32];

const TURNS: u32 = 25;

/// The time by the clock, and that which all threads of this process ran on processors, if the system tells.
#[derive(Clone, Copy, Default)]
struct Time {
    clock: Duration,
    processor: Option<Duration>,
}

/// When something began.
struct Start(Instant, Option<u64>);

impl Start {
    fn nanoseconds() -> Option<u64> {
        let of = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
            let all = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            all.split(' ').next()?.parse().ok()
        };
        std::fs::read_dir("/proc/self/task").ok()?.map(of).sum()
    }

    fn now() -> Self {
        Self(Instant::now(), Self::nanoseconds())
    }

    fn elapsed(&self) -> Time {
        let clock = self.0.elapsed();
        let ran = Self::nanoseconds().zip(self.1);
        Time { clock, processor: ran.map(|(end, start)| Duration::from_nanos(end.saturating_sub(start))) }
    }
}

impl std::ops::AddAssign for Time {
    fn add_assign(&mut self, other: Self) {
        self.clock += other.clock;
        self.processor = self.processor.zip(other.processor).map(|(a, b)| a + b);
    }
}

/// Times of each step over all turns. The system's count of processor time is coarse, so turns are many.
#[derive(Default)]
struct Times(Vec<(&'static str, Time)>);

impl Times {
    fn timed<R>(&mut self, what: &'static str, step: impl FnOnce() -> R) -> R {
        let start = Start::now();
        let result = step();
        let spent = start.elapsed();
        match self.0.iter_mut().find(|(name, _)| *name == what) {
            Some((_, all)) => *all += spent,
            None => self.0.push((what, spent)),
        }
        result
    }

    fn print(&self, neurons: usize) {
        let each = |time: Duration| time.as_secs_f64() * 1e9 / neurons as f64 / f64::from(TURNS);
        let line = |what: &str, time: Time| {
            let ran =
                time.processor.map_or(String::new(), |ran| format!(", {:6.1} ns of processors", each(ran)));
            println!("    {what:36} {:6.1} ns a neuron{ran}", each(time.clock));
        };
        let sum = |role: &str| {
            let mut all = Time { processor: Some(Duration::ZERO), ..Time::default() };
            self.0.iter().filter(|(what, _)| what.starts_with(role)).for_each(|&(_, time)| all += time);
            all
        };
        self.0.iter().for_each(|&(what, time)| line(what, time));
        ["C", "S"].into_iter().for_each(|role| line(&format!("{role} in all"), sum(role)));
        println!("    both, one after the other: {:.2} M neurons a second", 1e3 / each(sum("").clock));
    }
}

struct Rows {
    delta: Block,
    sent: Vec<Block>,
    received: Vec<Block>,
}

fn deal(count: usize, rng: &mut ChaCha12Rng) -> Rows {
    let delta = Block::random(rng).with_lsb_set();
    let received: Vec<Block> = (0..count).map(|_| Block::random(rng)).collect();
    let sent = received.iter().map(|&m| m ^ delta.masked(m.lsb())).collect();
    Rows { delta, sent, received }
}

fn layer(what: &str, windows: Windows) -> Result<(), Failure> {
    let rng = &mut ChaCha12Rng::seed_from_u64(1);
    let n = windows.elements();
    let plan = &Arc::new(Plan::new(11, windows, 11)?);
    let cost = plan.cost();
    let (leaves, masks) = (deal(cost.leaf_rows, rng), deal(cost.mask_rows, rng));
    let tweaks =
        Tweaks { leaves: Tccr::new(Block::random(rng)), masks: Tccr::new(Block::random(rng)), first: 0 };
    let mut random = |count, bits| RingTensor::new(bits, (0..count).map(|_| rng.random()).collect());
    let (y0, y1, rho) = (random(n, 12)?, random(n, 12)?, random(plan.windows().len(), 11)?);
    let flips = Column::from_fn(n, |i| i as u64 / 5);

    let bits = cost.bits().map(|bits| bits as f64 / n as f64);
    println!(
        "{what}: {n} neurons, {:.2} B each (bits ahead {} up, {} down; online {} down, {} up)",
        bits.iter().sum::<f64>() / 8.0,
        bits[0],
        bits[1],
        bits[2],
        bits[3]
    );
    let mut times = Times::default();
    for _ in 0..TURNS {
        let sender = SenderRows::new(&masks.sent, masks.delta);
        let start = times.timed("C ahead: cross terms", || Client::start(plan, tweaks, sender));
        let (cross, client) = start?;
        let (products, server) = times.timed("S ahead: products", || {
            Server::start(plan, tweaks, ReceiverRows::new(&masks.received))?.on_cross_terms(&cross)
        })?;
        let rows = ReceiverRows::new(&leaves.received);
        let (digits, client) = times.timed("C ahead: digits", || client.on_products(&products, &y1, rows))?;
        let rows = SenderRows::new(&leaves.sent, leaves.delta);
        let server = times.timed("S ahead: pads of tables", || server.on_digits(&digits, rows))?;
        let (tables, server) = times.timed("S online: tables", || server.on_share(&y0, &flips))?;
        let answer = times.timed("C online: openings and messages", || client.on_tables(&tables, &rho))?;
        let share = times.timed("S online: its share", || server.on_answer(&answer))?;
        let signs = y0.reconstruct(&y1)?;
        let bit = |i: u32| i64::from(signs[i as usize] >= 0) ^ flips.bit(i as usize) as i64;
        let results = share.reconstruct(&rho)?;
        let right = plan.windows().iter().map(|window| window.iter().fold(0, |or, &i| or | bit(i)));
        assert!(right.eq(results), "a wrong result");
    }
    times.print(n);
    both(plan, [&leaves, &masks], tweaks, [&y0, &y1, &rho], &flips)
}

/// Each role on its own thread, some layers one after the other: messages go through channels.
fn both(
    plan: &Arc<Plan>,
    [leaves, masks]: [&Rows; 2],
    tweaks: Tweaks,
    [y0, y1, rho]: [&RingTensor; 3],
    flips: &Column,
) -> Result<(), Failure> {
    const LAYERS: usize = 16;
    let ((to_server, from_client), (to_client, from_server)) =
        (std::sync::mpsc::channel::<Vec<u8>>(), std::sync::mpsc::channel::<Vec<u8>>());
    let start = Instant::now();
    std::thread::scope(|scope| -> Result<(), Failure> {
        let server = scope.spawn(move || -> Result<(), String> {
            let wrong = |error: &dyn std::error::Error| error.to_string();
            let mut ready = Vec::new();
            // Ahead for all layers, then online for all: as a session does for several predictions.
            for _ in 0..LAYERS {
                let server = Server::start(plan, tweaks, ReceiverRows::new(&masks.received))
                    .map_err(|error| wrong(&error))?;
                let cross = from_client.recv().map_err(|error| wrong(&error))?;
                let (products, server) = server.on_cross_terms(&cross).map_err(|error| wrong(&error))?;
                to_client.send(products).map_err(|error| wrong(&error))?;
                ready.push(server);
            }
            let mut waiting = Vec::new();
            for server in ready {
                let digits = from_client.recv().map_err(|error| wrong(&error))?;
                let rows = SenderRows::new(&leaves.sent, leaves.delta);
                let server = server.on_digits(&digits, rows).map_err(|error| wrong(&error))?;
                let (tables, server) = server.on_share(y0, flips).map_err(|error| wrong(&error))?;
                to_client.send(tables).map_err(|error| wrong(&error))?;
                waiting.push(server);
            }
            for server in waiting {
                let answer = from_client.recv().map_err(|error| wrong(&error))?;
                server.on_answer(&answer).map_err(|error| wrong(&error))?;
            }
            Ok(())
        });
        let mut started = Vec::new();
        for _ in 0..LAYERS {
            let (cross, client) = Client::start(plan, tweaks, SenderRows::new(&masks.sent, masks.delta))?;
            to_server.send(cross)?;
            started.push(client);
        }
        let mut ready = Vec::new();
        for client in started {
            let products = from_server.recv()?;
            let rows = ReceiverRows::new(&leaves.received);
            let (digits, client) = client.on_products(&products, y1, rows)?;
            to_server.send(digits)?;
            ready.push(client);
        }
        for client in ready {
            to_server.send(client.on_tables(&from_server.recv()?, rho)?)?;
        }
        drop(to_server);
        server.join().map_err(|_| "the server's thread failed")??;
        Ok(())
    })?;
    let each = start.elapsed().as_secs_f64() / (LAYERS * plan.comparison().elements()) as f64;
    println!("    both at once, {LAYERS} layers: {:.2} M neurons a second\n", 1e-6 / each);
    Ok(())
}

fn main() -> Result<(), Failure> {
    println!("AES backend {}, mean of {TURNS} turns\n", Backend::best());
    layer("no pool", Windows::single(SHAPE.iter().product())?)?;
    layer("2x2 OR pools", Windows::pool(SHAPE, [2, 2])?)
}
