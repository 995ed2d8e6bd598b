//! Counts of what goes over a channel.

/// What went over a channel.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Traffic {
    /// Bytes sent, frame heads included.
    pub sent: u64,
    /// Bytes received, frame heads included.
    pub received: u64,
    /// Bytes sent for first layers, of [`Traffic::sent`]: frames of the kinds that only first layers have
    /// (`Kind::is_of_first_layer`), and the tables of layers that read the client's input. The base OTs of
    /// labels are not among them.
    pub first_layer_sent: u64,
    /// Bytes received for first layers.
    pub first_layer_received: u64,
    /// Times this host waited for an answer after having sent something.
    pub round_trips: u64,
}

impl Traffic {
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sent: f(self.sent, other.sent),
            received: f(self.received, other.received),
            first_layer_sent: f(self.first_layer_sent, other.first_layer_sent),
            first_layer_received: f(self.first_layer_received, other.first_layer_received),
            round_trips: f(self.round_trips, other.round_trips),
        }
    }
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        *self = self.zip(other, |a, b| a + b);
    }
}

/// What went over since an earlier count of the same channel.
impl std::ops::Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        self.zip(earlier, |now, then| now - then)
    }
}
