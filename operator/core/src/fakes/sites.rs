//! Sites in memory: each answers as a test says, and well by default.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::sites::{Request, Sites, To, Visit};

/// The fake.
#[derive(Debug, Default)]
pub struct FakeSites(Mutex<BTreeMap<String, Visit>>);

impl FakeSites {
    /// What visitors of a host get from now on.
    pub fn set(&self, host: &str, visit: Visit) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.into(), visit);
    }
}

#[async_trait]
impl Sites for FakeSites {
    async fn get(&self, request: &Request) -> Visit {
        let (To::Site { host, .. } | To::Url(host)) = &request.to;
        let visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let good = || Visit::Answer {
            status: 200,
            latency: Duration::from_millis(1),
            headers: Vec::new(),
            body: String::new(),
        };
        visits.get(host).cloned().unwrap_or_else(good)
    }
}
