//! Whole files: every example loads, every good file gives the configuration written next to it,
//! every bad file gives the report written next to it.
//!
//! `UPDATE=1 cargo test -p rvs-conf` writes the expected texts anew; read the difference before
//! committing it.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use rvs_conf::{Machine, Rule, load};

    /// A machine with four CPUs.
    fn machine() -> Machine {
        Machine { cpus: Some(vec![0, 1, 2, 3]) }
    }

    /// The YAML files of a directory below the crate, sorted; at least one.
    fn yaml_files(directory: &str) -> Vec<PathBuf> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let entries = fs::read_dir(&directory).expect("the directory is there");
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        files.sort();
        assert!(!files.is_empty(), "no YAML files in {}", directory.display());
        files
    }

    /// Compares with the text next to the file, or writes it when asked to.
    fn expect_beside(path: &Path, found: &str, wrong: &mut Vec<String>) {
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, found).expect("the expected text can be written");
        }
        let text = fs::read_to_string(&expected).unwrap_or_default();
        if text != found {
            let name = expected.display();
            wrong.push(format!("{name} differs; found:\n{found}\nUPDATE=1 writes it anew"));
        }
    }

    /// Loads a file under its bare name, so that reports do not depend on where the crate is.
    fn load_bare(path: &Path) -> Result<rvs_conf::Config, rvs_conf::ConfErrors> {
        let name = path.file_name().expect("a file").to_string_lossy();
        rvs_conf::parse_bytes(&name, &fs::read(path).expect("a readable file"), &machine())
    }

    #[test]
    fn examples_load() {
        let files = yaml_files("examples");
        for path in &files {
            let config = load(path, &machine()).unwrap_or_else(|errors| panic!("{errors}"));
            assert!(!config.services.is_empty(), "{} has no service", path.display());
            let text = fs::read_to_string(path).expect("readable");
            let header = "# yaml-language-server: $schema=../rvs.schema.json\n";
            assert!(text.starts_with(header), "{} does not name its schema", path.display());
        }
        assert_eq!(files.len(), 4, "one example for each mode");
    }

    #[test]
    fn good_files_give_the_expected_configuration() {
        let mut wrong = Vec::new();
        for path in yaml_files("tests/good") {
            match load_bare(&path) {
                Ok(config) => expect_beside(&path, &format!("{config:#?}\n"), &mut wrong),
                Err(errors) => wrong.push(errors.to_string()),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn bad_files_give_the_expected_report() {
        let mut wrong = Vec::new();
        for path in yaml_files("tests/bad") {
            match load_bare(&path) {
                Ok(_) => wrong.push(format!("{} was accepted", path.display())),
                Err(errors) => expect_beside(&path, &format!("{errors}\n"), &mut wrong),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn ten_mistakes_are_ten_errors_at_their_places() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad/ten_mistakes.yaml");
        let errors = load(&path, &machine()).expect_err("ten mistakes");
        let found: Vec<_> = errors
            .errors()
            .iter()
            .map(|error| (error.position().expect("a place"), error.rule(), errors.text_of(error)))
            .collect();
        let expected = [
            ((2, 14), Rule::NoSuchCpu, "64"),
            ((5, 59), Rule::UnknownKey, "mtuu"),
            ((7, 26), Rule::Unreachable, "198.51.100.1"),
            ((11, 5), Rule::UnknownKey, "protocl"),
            ((13, 46), Rule::AddressConflict, "192.0.2.10"),
            ((14, 16), Rule::BadValue, "wrx"),
            ((16, 19), Rule::BadValue, "10.0.0.256:8080"),
            ((17, 43), Rule::OutOfRange, "2147483648"),
            ((23, 19), Rule::PortMismatch, "10.0.0.13:8080"),
            ((25, 10), Rule::ServiceOverlap, "192.0.2.10:80"),
        ];
        assert_eq!(found, expected, "{errors}");
        assert!(errors.errors().iter().all(|error| !error.help().is_empty()));
    }
}
