//! The reader that is used beside the C library, on every HDF5 file there is: only with the cargo feature
//! `libhdf5`.
#![cfg(feature = "libhdf5")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::fixture;
use xonn_compile::keras::hdf5::{Container, Hdf5, is_hdf5, libhdf5};

/// Every HDF5 file of the fixtures and the bundled models, also those inside of `.keras` archives.
fn files() -> Vec<(String, Vec<u8>)> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("the folder is there");
        entries.map(|entry| entry.expect("readable").path()).collect()
    };
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let folders = entries(&models).into_iter().filter(|path| path.is_dir());
    let mut paths: Vec<PathBuf> =
        folders.flat_map(|folder| entries(&folder)).chain(entries(&fixture(""))).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let (name, bytes) = (path.display().to_string(), std::fs::read(&path).expect("readable"));
        if is_hdf5(&bytes) {
            files.push((name, bytes));
        } else if name.ends_with(".keras") {
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("an archive");
            let Ok(mut entry) = archive.by_name("model.weights.h5") else { continue };
            let mut weights = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut weights).expect("readable");
            files.push((name, weights));
        }
    }
    files
}

/// All that a container says, by path; numbers as their bits, so that NaN is itself.
fn all_of(file: &dyn Container, group: &str, all: &mut BTreeMap<String, String>) {
    for name in ["model_config", "keras_version", "backend"] {
        let text = file.string_attribute(group, name).map_err(|e| e.to_string());
        all.insert(format!("{group}@{name}"), format!("{text:?}"));
    }
    for name in ["layer_names", "weight_names"] {
        let texts = file.strings_attribute(group, name).map_err(|e| e.to_string());
        all.insert(format!("{group}@{name}"), format!("{texts:?}"));
    }
    for name in file.datasets(group).expect("readable").expect("the group is there") {
        let path = format!("{group}/{name}");
        let bits = match file.array(&path) {
            Ok(array) => {
                // FNV-1a over the bits: a few numbers in place of megabytes.
                let mix = |hash: u64, number: &f32| {
                    (hash ^ u64::from(number.to_bits())).wrapping_mul(0x0100_0000_01b3)
                };
                let bits = array.data.iter().fold(0xcbf2_9ce4_8422_2325, mix);
                format!("{:?} {} numbers, {bits:016x}", array.shape, array.data.len())
            }
            Err(_) => "not read".into(),
        };
        all.insert(path, bits);
    }
    for name in file.groups(group).expect("readable").expect("the group is there") {
        all_of(file, &format!("{group}/{name}"), all);
    }
}

#[test]
fn both_readers_agree_on_every_file() {
    let files = files();
    assert!(files.len() > 70, "{} files", files.len());
    let (mut arrays, mut only_ours) = (0, Vec::new());
    for (name, bytes) in files {
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        all_of(&Hdf5::open(bytes.clone(), &name).expect("it can be opened"), "", &mut ours);
        all_of(&libhdf5::Hdf5::open(&bytes, &name).expect("it can be opened"), "", &mut theirs);
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{name}");
        for (path, found) in &ours {
            let other = &theirs[path];
            if other == "not read" && found != other {
                only_ours.push(format!("{name} {path}"));
                continue;
            }
            assert!(found == other, "{name} {path}: {found:.200} and {other:.200}");
            arrays += usize::from(found.starts_with('['));
        }
    }
    // Opaque pairs of bytes, which h5py writes for bfloat16, are no numbers to the C library.
    assert!(only_ours.iter().all(|file| file.contains("bfloat16")), "{only_ours:?}");
    assert!(arrays > 500, "{arrays} arrays");
}
