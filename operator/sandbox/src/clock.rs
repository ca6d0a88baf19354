//! The sandbox's clock: real time, times a speed, plus an offset.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A clock that can be sped up and pushed forward, never back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    real: Timestamp,
    shown: Timestamp,
    speed: f64,
}

impl Default for Clock {
    fn default() -> Self {
        let now = Timestamp::now();
        Self { real: now, shown: now, speed: 1.0 }
    }
}

impl Clock {
    /// The sandbox's time.
    pub fn now(&self) -> Timestamp {
        let elapsed = self.real.duration_until(Timestamp::now()).max(SignedDuration::ZERO);
        self.shown + SignedDuration::from_secs_f64(elapsed.as_secs_f64() * self.speed)
    }

    /// Pushes the clock forward.
    pub fn advance(&mut self, by: SignedDuration) {
        self.anchor();
        self.shown += by.max(SignedDuration::ZERO);
    }

    /// From now on a real second is `speed` sandbox seconds.
    pub fn set_speed(&mut self, speed: f64) {
        self.anchor();
        self.speed = speed;
    }

    /// How many sandbox seconds a real second is.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// The real time that a sandbox duration takes.
    pub fn real(&self, sandbox: SignedDuration) -> std::time::Duration {
        let seconds = sandbox.as_secs_f64() / self.speed;
        std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    fn anchor(&mut self) {
        self.shown = self.now();
        self.real = Timestamp::now();
    }
}
