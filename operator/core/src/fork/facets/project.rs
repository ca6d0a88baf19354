//! project

use super::Input;
use crate::plan::FacetPlan;

pub(super) fn plan(_input: Input<'_>) -> FacetPlan {
    todo!()
}
