//! What checks of CPUs have in common.

use crate::doctor::case::Case;
use crate::doctor::root::Seen;

/// Where the kernel shows CPUs.
pub(super) const FOLDER: &str = "sys/devices/system/cpu";

/// The CPUs that are switched on.
pub(super) fn online(case: &Case) -> Seen<Vec<u32>> {
    case.root.cpus(format!("{FOLDER}/online"))
}

/// The CPUs that have only the programs that are put there.
pub(super) fn isolated(case: &Case) -> Seen<Vec<u32>> {
    case.root.cpus(format!("{FOLDER}/isolated"))
}

/// The CPUs of the workers, and those for all else; `None` where either has none.
pub(super) fn divided(case: &Case) -> Seen<Option<(&[u32], Vec<u32>)>> {
    let workers = case.workers();
    if workers.is_empty() {
        return Ok(None);
    }
    let others = others(case)?;
    Ok((!others.is_empty()).then_some((workers, others)))
}

/// The CPUs that are switched on and no worker's.
pub(super) fn others(case: &Case) -> Seen<Vec<u32>> {
    Ok(online(case)?.into_iter().filter(|cpu| !case.workers().contains(cpu)).collect())
}
