//! The folder that runs are kept in: a file of JSON for each, and its plots.
//!
//! Whether it can be written is tried before anything is measured. A file is replaced as a whole,
//! so that a run can be kept after each of its scenarios and is never found half written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ReportError;
use super::plot::{self, Plot};
use super::run::{FORMAT, Run};

/// Where one run is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    folder: PathBuf,
    name: String,
}

impl Results {
    /// The run called `name` in `folder`, which is made if it is not there. What is there is not
    /// touched yet.
    ///
    /// # Errors
    /// [`ReportError::File`] if nothing can be written there.
    pub fn open(folder: &Path, name: &str) -> Result<Self, ReportError> {
        let results = Self { folder: folder.to_owned(), name: name.to_owned() };
        fs::create_dir_all(folder).map_err(ReportError::file(folder))?;
        let path = results.path();
        if path.is_dir() {
            return Err(ReportError::File { path, error: io::ErrorKind::IsADirectory.into() });
        }
        let draft = results.draft();
        fs::write(&draft, "")
            .and_then(|()| fs::remove_file(&draft))
            .map_err(ReportError::file(draft))?;
        Ok(results)
    }

    /// The name under which a run is kept that is not given one: the time it began.
    #[must_use]
    pub fn default_name(began: &str) -> String {
        began.replace(':', "-")
    }

    /// The file of the run.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    /// Where a file is written before it takes its place. Only this run has a file of that name.
    fn draft(&self) -> PathBuf {
        self.folder.join(format!(".{}.{}.part", self.name, std::process::id()))
    }

    /// Keeps `run` as it is now.
    ///
    /// # Errors
    /// [`ReportError::File`]; what was kept before is still there.
    pub fn keep(&self, run: &Run) -> Result<(), ReportError> {
        let path = self.path();
        match serde_json::to_string_pretty(run) {
            Ok(text) => self.replace(&path, &(text + "\n")),
            Err(error) => Err(ReportError::Format { path, error }),
        }
    }

    /// Draws the plots of `run` beside its file; returns their paths.
    ///
    /// # Errors
    /// [`ReportError`] if a plot cannot be drawn or written.
    pub fn draw(&self, run: &Run) -> Result<Vec<PathBuf>, ReportError> {
        let draw = |plot: Plot| {
            let path = self.folder.join(format!("{}-{}.svg", self.name, plot.name));
            match plot.document {
                Ok(text) => self.replace(&path, &text).map(|()| path),
                Err(fault) => Err(ReportError::Plot { path, fault }),
            }
        };
        plot::all(run).into_iter().map(draw).collect()
    }

    fn replace(&self, path: &Path, text: &str) -> Result<(), ReportError> {
        let draft = self.draft();
        fs::write(&draft, text).and_then(|()| fs::rename(&draft, path)).map_err(|error| {
            let _ = fs::remove_file(&draft);
            ReportError::File { path: path.to_owned(), error }
        })
    }
}

/// Reads the run that is kept in a file.
///
/// # Errors
/// [`ReportError`] if there is none, or the file holds something else.
pub fn read(path: &Path) -> Result<Run, ReportError> {
    /// What all versions have.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let text = fs::read_to_string(path).map_err(ReportError::file(path))?;
    let wrong = |error| ReportError::Format { path: path.to_owned(), error };
    let Head { format: found } = serde_json::from_str(&text).map_err(wrong)?;
    if found != FORMAT {
        return Err(ReportError::Version { path: path.to_owned(), found, known: FORMAT });
    }
    let run: Run = serde_json::from_str(&text).map_err(wrong)?;
    for figure in &run.figures {
        if let Some(Err(doubt)) = figure.measured().map(super::figure::Measured::check) {
            let (path, scenario) = (path.to_owned(), figure.scenario);
            return Err(ReportError::Figure { path, scenario, doubt });
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::tests::example;

    #[test]
    fn a_run_is_read_as_it_was_kept_with_its_invalid_figures() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::open(&folder.path().join("new/results"), "first").unwrap();
        let mut run = example();
        run.notes.push("only memory is measured".to_owned());
        results.keep(&run).unwrap();
        let read = read(&results.path()).unwrap();
        assert_eq!(read, run);
        assert_eq!(read.figures.iter().filter(|figure| figure.measured().is_none()).count(), 1);
    }

    #[test]
    fn a_run_is_kept_again_and_again_in_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::open(folder.path(), "first").unwrap();
        let mut run = example();
        let all = std::mem::take(&mut run.figures);
        for figure in all.iter().take(3) {
            run.figures.push(figure.clone());
            results.keep(&run).unwrap();
            assert_eq!(read(&results.path()).unwrap().figures, run.figures);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn plots_are_drawn_beside_the_file_and_none_without_figures() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::open(folder.path(), "first").unwrap();
        let mut run = example();
        let drawn = results.draw(&run).unwrap();
        let names = ["rates-memif", "rates-memory", "stages", "workers"];
        let paths = names.map(|name| folder.path().join(format!("first-{name}.svg")));
        assert_eq!(drawn, paths);
        assert!(paths.iter().all(|path| fs::read_to_string(path).unwrap().starts_with("<svg")));
        run.figures.clear();
        assert!(results.draw(&run).unwrap().is_empty());
    }

    #[test]
    fn opening_leaves_an_earlier_run_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::open(folder.path(), "first").unwrap();
        results.keep(&example()).unwrap();
        assert_eq!(Results::open(folder.path(), "first").unwrap(), results);
        assert_eq!(read(&results.path()).unwrap().figures, example().figures);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_before_anything_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = Results::open(&file.join("below"), "first").unwrap_err().to_string();
        assert!(refused.contains("file/below: Not a directory"), "{refused}");
        // Nothing can be made there, not even by root.
        let refused = Results::open(Path::new("/proc/results"), "first").unwrap_err();
        assert!(refused.to_string().starts_with("/proc/results: "), "{refused}");
        let refused = Results::open(Path::new("/proc/self"), "first").unwrap_err();
        assert!(refused.to_string().starts_with("/proc/self/.first."), "{refused}");
        fs::create_dir(folder.path().join("first.json")).unwrap();
        let refused = Results::open(folder.path(), "first").unwrap_err().to_string();
        assert!(refused.contains("first.json: is a directory"), "{refused}");
    }

    #[test]
    fn what_holds_no_run_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let missing = read(&path).unwrap_err().to_string();
        assert!(missing.contains("run.json: No such file"), "{missing}");
        let good = serde_json::to_string(&example()).unwrap();
        for (text, reason) in [
            (String::new(), "no results of rvs-bench: EOF while parsing"),
            ("{\"format\": 1}".to_owned(), "missing field `began`"),
            ("{\"format\": 9}".to_owned(), "version 9 of the format, this program reads version 1"),
            (good.replace("memory/fill/100", "memory/drill"), "unknown scenario \"memory/drill\""),
            (
                good.replace("\"median\":1.5", "\"median\":-1.5"),
                "connections/fullnat: rate of -1.5",
            ),
            (good.replace("Mpps", "Mpints"), "unknown variant `Mpints`, expected one of `Mpps`"),
        ] {
            fs::write(&path, text).unwrap();
            let refused = read(&path).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
