//! (stand-in until the parts meet)
use forkable_core::{monitoring::Standing, store::ObjectRef};
#[derive(Debug, Default)]
pub struct Monitor(tokio::sync::Notify);
impl Monitor {
    pub fn standings(&self, _: &ObjectRef) -> Vec<Standing> {
        Vec::new()
    }
    pub fn changed(&self) -> &tokio::sync::Notify {
        &self.0
    }
}
