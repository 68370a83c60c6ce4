//! The large file that is moved through the director, made once for all tests.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libtest_mimic::Failed;
use rvs_perf::lab::cleanup;
use rvs_perf::lab::client::sha256_of;

/// A file and the SHA-256 of its content.
#[derive(Clone)]
pub(crate) struct Large {
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
}

/// The file, made at the first call.
pub(crate) fn large() -> Result<Large, Failed> {
    static LARGE: OnceLock<Result<Large, String>> = OnceLock::new();
    let large = LARGE.get_or_init(|| make_large().map_err(|error| words_of(&error)));
    large.clone().map_err(Failed::from)
}

/// A file of `mib` mebibytes in `directory`.
pub(crate) fn make(directory: &Path, mib: u32) -> Result<Large, Failed> {
    let path = directory.join(format!("noise-{mib}"));
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    let mut noise = Noise(0x5eed);
    for _ in 0..mib {
        file.write_all(&noise.mebibyte())?;
    }
    file.into_inner().map_err(|error| error.to_string())?;
    let sha256 = sha256_of(&path)?;
    Ok(Large { path, sha256 })
}

fn make_large() -> Result<Large, Failed> {
    let mib = match std::env::var("RVS_E2E_TRANSFER_MIB") {
        Ok(text) => text.parse().map_err(|_| {
            format!("RVS_E2E_TRANSFER_MIB is `{text}`; it must be a whole number of mebibytes")
        })?,
        Err(_) => 1024,
    };
    // Not a lab, but it is named and removed like one.
    let directory = cleanup::register()?.directory();
    std::fs::create_dir_all(&directory)?;
    make(&directory, mib)
}

fn words_of(failed: &Failed) -> String {
    failed.message().unwrap_or("failed").to_owned()
}

/// Bytes that repeat nowhere in the file, so that a piece that is lost, doubled or swapped changes
/// the checksum: the output of splitmix64.
struct Noise(u64);

impl Noise {
    fn mebibyte(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        for word in bytes.chunks_exact_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        bytes
    }
}
