//! cryprot-ot's roles over QUIC on the loopback device; computing threads are those of its own pool.

use cryprot_core::Block;
use cryprot_core::alloc::HugePageMemory;
use cryprot_net::Connection;
use cryprot_net::testing::local_conn;
use cryprot_ot::extension::{MaliciousOtExtensionReceiver, MaliciousOtExtensionSender};
use cryprot_ot::silent_ot::{MaliciousSilentOtReceiver, MaliciousSilentOtSender};
use cryprot_ot::{CotReceiver, CotSender, RotReceiver, RotSender, random_choices};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::{Builder, Runtime};

use crate::meter::{Cost, Meter};

/// Two ends of a connection, and what runs them.
pub struct Peers {
    runtime: Runtime,
    ends: (Connection, Connection),
}

impl Peers {
    pub fn connect() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
        let ends = runtime.block_on(local_conn()).expect("a loopback device");
        Self { runtime, ends }
    }

    /// KOS, random OTs.
    pub fn random(&mut self, count: usize) -> Cost {
        self.extend(count, false)
    }

    /// KOS, correlated OTs by a message with the corrections.
    pub fn correlated(&mut self, count: usize) -> Cost {
        self.extend(count, true)
    }

    fn extend(&mut self, count: usize, correlated: bool) -> Cost {
        let (server, client) = (self.ends.0.sub_connection(), self.ends.1.sub_connection());
        self.runtime.block_on(async move {
            let mut rng = StdRng::from_rng(&mut rand::rng());
            let choices = random_choices(count, &mut rng);
            let mut sender = MaliciousOtExtensionSender::new(server);
            let mut receiver = MaliciousOtExtensionReceiver::new(client);
            tokio::try_join!(sender.do_base_ots(), receiver.do_base_ots()).expect("both are honest");
            // `zeroed` pages are touched first during the run otherwise.
            let mut blocks: HugePageMemory<Block> = HugePageMemory::zeroed(count);
            blocks.fill(Block::ONES);
            if correlated {
                let mut zeros: HugePageMemory<Block> = HugePageMemory::zeroed(count);
                zeros.fill(Block::ONES);
                let meter = Meter::start();
                let sending = tokio::spawn(async move {
                    sender.correlated_send_into(&mut zeros, |_| Block::ONES).await.expect("honest");
                    zeros
                });
                let receiving = tokio::spawn(async move {
                    receiver.correlated_receive_into(&mut blocks, &choices).await.expect("honest");
                    blocks
                });
                tokio::try_join!(sending, receiving).expect("no panic");
                return meter.stop();
            }
            let mut pairs: HugePageMemory<[Block; 2]> = HugePageMemory::zeroed(count);
            pairs.fill([Block::ONES; 2]);
            let meter = Meter::start();
            let sending = tokio::spawn(async move {
                sender.send_into(&mut pairs).await.expect("honest");
                pairs
            });
            let receiving = tokio::spawn(async move {
                receiver.receive_into(&mut blocks, &choices).await.expect("honest");
                blocks
            });
            tokio::try_join!(sending, receiving).expect("no panic");
            meter.stop()
        })
    }

    /// Silent OT, random, choices random too.
    pub fn silent(&mut self, count: usize) -> Cost {
        let (server, client) = (self.ends.0.sub_connection(), self.ends.1.sub_connection());
        self.runtime.block_on(async move {
            let mut sender = MaliciousSilentOtSender::new(server);
            let mut receiver = MaliciousSilentOtReceiver::new(client);
            let meter = Meter::start();
            let sending = tokio::spawn(async move {
                sender.random_send(count).await.expect("honest");
            });
            let receiving = tokio::spawn(async move {
                receiver.random_receive(count).await.expect("honest");
            });
            tokio::try_join!(sending, receiving).expect("no panic");
            meter.stop()
        })
    }
}
