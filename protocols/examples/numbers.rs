//! Numbers a second, two-party: ReLU with change of ring, the larger of two, squares. First both roles one
//! after the other, each with all processors; then both at once, messages over the loopback.
//!
//!     cargo run --release -p xonn-protocols --example numbers

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chacha20::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use xonn_crypto::block::{Backend, Block, Tccr};
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::numbers::{Client, ClientTurn, Function, Plan, Server, ServerTurn, Shape};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use xonn_protocols::steps::windows::Windows;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Numbers of a layer: 64 channels of 32 x 32.
const N: usize = 64 * 32 * 32;

/// Layers one after the other.
const LAYERS: u32 = 12;

/// Rows of a pool.
struct Rows {
    delta: Block,
    sent: Vec<Block>,
    received: Vec<Block>,
}

impl Rows {
    fn deal(count: usize, rng: &mut ChaCha12Rng) -> Self {
        let delta = Block::random(rng).with_lsb_set();
        let received: Vec<Block> = (0..count).map(|_| Block::random(rng)).collect();
        let sent = received.iter().map(|&m| m ^ delta.masked(m.lsb())).collect();
        Self { delta, sent, received }
    }

    fn sender(&self) -> SenderRows<'_> {
        SenderRows::new(&self.sent, self.delta)
    }

    fn receiver(&self) -> ReceiverRows<'_> {
        ReceiverRows::new(&self.received)
    }
}

/// All that both roles need of a layer.
struct Layer {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    leaves: Rows,
    masks: Rows,
    y0: RingTensor,
    y1: RingTensor,
    rho: RingTensor,
}

/// Processor time of all threads of this process, if the system tells.
fn processor() -> Option<Duration> {
    let of = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
        let all = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        all.split(' ').next()?.parse().ok()
    };
    Some(Duration::from_nanos(std::fs::read_dir("/proc/self/task").ok()?.map(of).sum::<Option<u64>>()?))
}

/// Times of some steps.
#[derive(Default)]
struct Times(Vec<(&'static str, Duration, Option<Duration>)>);

impl Times {
    fn timed<R>(&mut self, what: &'static str, step: impl FnOnce() -> R) -> R {
        let (start, before) = (Instant::now(), processor());
        let result = step();
        let (clock, ran) = (start.elapsed(), processor().zip(before).map(|(end, start)| end - start));
        match self.0.iter_mut().find(|(name, ..)| *name == what) {
            Some((_, all, all_ran)) => {
                *all += clock;
                *all_ran = all_ran.zip(ran).map(|(a, b)| a + b);
            }
            None => self.0.push((what, clock, ran)),
        }
        result
    }

    fn print(&self, results: usize) {
        let each = |time: Duration| time.as_secs_f64() * 1e9 / results as f64 / f64::from(LAYERS);
        for (what, clock, ran) in &self.0 {
            let ran = ran.map_or(String::new(), |ran| format!(", {:6.1} ns of processors", each(ran)));
            println!("    {what:16} {:6.1} ns each{ran}", each(*clock));
        }
        let all: Duration = self.0.iter().map(|(_, clock, _)| *clock).sum();
        println!("    both, one after the other: {:.2} M a second", 1e3 / each(all));
    }
}

impl Layer {
    fn new(shape: Shape) -> Result<Self, Failure> {
        let rng = &mut ChaCha12Rng::seed_from_u64(1);
        let bits = shape.from;
        let plan = Arc::new(Plan::new(shape)?);
        let cost = plan.cost();
        let (leaves, masks) = (Rows::deal(cost.leaf_rows, rng), Rows::deal(cost.mask_rows, rng));
        let [first, second] = [(); 2].map(|()| Tccr::new(Block::random(rng)));
        let tweaks = Tweaks { leaves: first, masks: second, first: rng.random() };
        let quarter = 1 << (bits - 2);
        let x: Vec<i64> = (0..N).map(|_| rng.random_range(-quarter..quarter)).collect();
        let y1 = RingTensor::new(bits, (0..N).map(|_| rng.random()).collect())?;
        let y0 = RingTensor::from_signed(bits, &x)?.sub(&y1)?;
        let rho = RingTensor::new(plan.shape().to, (0..plan.results()).map(|_| rng.random()).collect())?;
        Ok(Self { plan, tweaks, leaves, masks, y0, y1, rho })
    }

    /// Both roles in turn.
    fn in_turn(&self, right: impl Fn(&[i64]) -> Vec<i64>, exact: bool) -> Result<(), Failure> {
        let Self { plan, tweaks, leaves, masks, y0, y1, rho } = self;
        let rng = &mut ChaCha12Rng::seed_from_u64(2);
        let mut times = Times::default();
        for _ in 0..LAYERS {
            let (cross, client) = times.timed("C ahead", || Client::start(plan, *tweaks, masks.sender()))?;
            let (products, server) = times.timed("S ahead", || {
                Server::start(plan, *tweaks, masks.receiver())?.on_cross_terms(&cross, leaves.sender(), rng)
            })?;
            let (digits, client) = times
                .timed("C ahead", || client.on_products(&products, &[y1], rho, leaves.receiver(), rng))?;
            let server = times.timed("S ahead", || server.on_digits(&digits, leaves.sender()))?;
            let (mut tables, mut server) = times.timed("S online", || server.on_share(&[y0]))?;
            let mut client = client;
            let share = loop {
                let (answer, next) = times.timed("C online", || client.on_tables(&tables))?;
                match times.timed("S online", || server.on_answer(&answer))? {
                    ServerTurn::Share(share) => break share,
                    ServerTurn::Tables(more, waits) => (tables, server) = (more, waits),
                }
                let ClientTurn::Tables(waits) = next else { return Err("the client is done".into()) };
                client = waits;
            };
            let results = share.reconstruct(rho)?;
            let right = right(&y0.reconstruct(y1)?);
            let off = results.iter().zip(&right).any(|(a, b)| (a - b).abs() > i64::from(!exact));
            assert!(!off && results.len() == right.len(), "a wrong result");
        }
        times.print(plan.results());
        Ok(())
    }

    /// Both roles at once: ahead for all layers, then online for all, as a session does for several
    /// predictions.
    fn at_once(&self) -> Result<(), Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let to_server = TcpStream::connect(listener.local_addr()?)?;
        let (to_client, _) = listener.accept()?;
        let start = Instant::now();
        std::thread::scope(|scope| -> Result<(), Failure> {
            let server = scope.spawn(|| self.server(to_client));
            self.client(to_server)?;
            server.join().map_err(|_| "the server's thread failed")?
        })?;
        let each = start.elapsed().as_secs_f64() / f64::from(LAYERS) / self.plan.results() as f64;
        println!("    both at once, {LAYERS} layers over the loopback: {:.2} M a second\n", 1e-6 / each);
        Ok(())
    }

    fn client(&self, mut wire: TcpStream) -> Result<(), Failure> {
        let Self { plan, tweaks, leaves, masks, y1, rho, .. } = self;
        let rng = &mut ChaCha12Rng::seed_from_u64(3);
        let cost = plan.cost();
        let mut started = Vec::new();
        for _ in 0..LAYERS {
            let (cross, client) = Client::start(plan, *tweaks, masks.sender())?;
            wire.write_all(&cross)?;
            started.push(client);
        }
        let mut ready = Vec::new();
        for client in started {
            let products = receive(&mut wire, cost.ahead[1].bytes())?;
            let (digits, client) = client.on_products(&products, &[y1], rho, leaves.receiver(), rng)?;
            wire.write_all(&digits)?;
            ready.push(client);
        }
        for mut client in ready {
            for tables in cost.online.iter().step_by(2) {
                let (answer, next) = client.on_tables(&receive(&mut wire, tables.bytes())?)?;
                wire.write_all(&answer)?;
                let ClientTurn::Tables(waits) = next else { break };
                client = waits;
            }
        }
        Ok(())
    }

    fn server(&self, mut wire: TcpStream) -> Result<(), Failure> {
        let Self { plan, tweaks, leaves, masks, y0, .. } = self;
        let rng = &mut ChaCha12Rng::seed_from_u64(4);
        let cost = plan.cost();
        let mut ready = Vec::new();
        for _ in 0..LAYERS {
            let server = Server::start(plan, *tweaks, masks.receiver())?;
            let cross = receive(&mut wire, cost.ahead[0].bytes())?;
            let (products, server) = server.on_cross_terms(&cross, leaves.sender(), rng)?;
            wire.write_all(&products)?;
            ready.push(server);
        }
        let mut waiting = Vec::new();
        for server in ready {
            let digits = receive(&mut wire, cost.ahead[2].bytes())?;
            waiting.push(server.on_digits(&digits, leaves.sender())?);
        }
        for server in waiting {
            let (tables, mut server) = server.on_share(&[y0])?;
            wire.write_all(&tables)?;
            for answer in cost.online.iter().skip(1).step_by(2) {
                let ServerTurn::Tables(tables, next) =
                    server.on_answer(&receive(&mut wire, answer.bytes())?)?
                else {
                    break;
                };
                wire.write_all(&tables)?;
                server = next;
            }
        }
        Ok(())
    }
}

fn receive(wire: &mut TcpStream, length: usize) -> Result<Vec<u8>, Failure> {
    let mut message = vec![0; length];
    wire.read_exact(&mut message)?;
    Ok(message)
}

fn main() -> Result<(), Failure> {
    println!("AES backend {}, mean of {LAYERS} layers of {N} numbers\n", Backend::best());
    let relu = |x: &[i64]| -> Vec<i64> { x.iter().map(|&x| x.max(0)).collect() };
    let pairs = Windows::new(N, 2, (0..N as u32).collect())?;
    let larger = |x: &[i64]| -> Vec<i64> { x.chunks(2).map(|pair| pair[0].max(pair[1])).collect() };
    let square = |x: &[i64]| -> Vec<i64> { x.iter().map(|&x| (x * x + (1 << 10)) >> 11).collect() };
    run("ReLU, 12 to 21 bits", Shape::of(N, [12, 21], Function::Relu), relu, true)?;
    run("ReLU, 13 to 24 bits", Shape::of(N, [13, 24], Function::Relu), relu, true)?;
    let shape = Shape { largest: Some(pairs), ..Shape::of(N, [12, 12], Function::Same) };
    run("the larger of two, 12 bits", shape, larger, true)?;
    run("square, 13 to 22 bits", Shape::of(N, [13, 22], Function::Square { drop: 11 }), square, false)
}

fn run(what: &str, shape: Shape, right: impl Fn(&[i64]) -> Vec<i64>, exact: bool) -> Result<(), Failure> {
    let layer = Layer::new(shape)?;
    let bits = layer.plan.cost().bits().map(|bits| bits as f64 / layer.plan.results() as f64);
    println!(
        "{what}: {:.2} B each (bits ahead {} up, {} down; online {} down, {} up)",
        bits.iter().sum::<f64>() / 8.0,
        bits[0],
        bits[1],
        bits[2],
        bits[3]
    );
    layer.in_turn(right, exact)?;
    layer.at_once()
}
