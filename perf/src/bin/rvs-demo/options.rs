//! Flags, and the environment variables that `make` passes on.

use rvs_perf::lab::Mode;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Usage: rvs-demo [--mode MODE] [--keep]

  --mode MODE   only this forwarding mode: dr, nat, tun or fullnat (also: MODE=dr)
  --keep        leave the last mode running until Ctrl-C (also: KEEP=1)

RVS_BIN names the rvs binary to run, if not the one beside this program.";

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The only mode to show; all if none.
    pub(crate) mode: Option<Mode>,
    /// Whether to leave the last mode running.
    pub(crate) keep: bool,
}

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Run(Options),
    Help,
}

impl Options {
    /// Reads arguments first, and for what they leave open the `environment`.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Wish, String> {
        let mut arguments = arguments.into_iter();
        let (mut mode, mut keep) = (None, false);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => return Ok(Wish::Help),
                "--keep" => keep = true,
                "--mode" => {
                    let name = arguments.next().ok_or("--mode needs a forwarding mode after it")?;
                    mode = Some(name.parse()?);
                }
                other => match other.strip_prefix("--mode=") {
                    Some(name) => mode = Some(name.parse()?),
                    None => return Err(format!("`{other}` is no option of this program")),
                },
            }
        }
        // make passes a variable that was not given as an empty one.
        if mode.is_none() {
            let name = environment("MODE").filter(|name| !name.is_empty());
            mode = name.map(|name| name.parse()).transpose()?;
        }
        keep |= match environment("KEEP").as_deref() {
            None | Some("" | "0" | "no") => false,
            Some("1" | "yes") => true,
            Some(other) => return Err(format!("KEEP is `{other}`; it must be 1 or 0")),
        };
        Ok(Wish::Run(Self { mode, keep }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Wish, String> {
        Options::read(arguments.iter().map(ToString::to_string), |name| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn run(mode: Option<Mode>, keep: bool) -> Result<Wish, String> {
        Ok(Wish::Run(Options { mode, keep }))
    }

    #[test]
    fn nothing_means_all_modes() {
        assert_eq!(read(&[], &[]), run(None, false));
        assert_eq!(read(&[], &[("MODE", ""), ("KEEP", "")]), run(None, false));
    }

    #[test]
    fn flags_and_variables_mean_the_same() {
        let expected = run(Some(Mode::Dr), true);
        assert_eq!(read(&["--mode", "dr", "--keep"], &[]), expected);
        assert_eq!(read(&["--mode=DR", "--keep"], &[]), expected);
        assert_eq!(read(&[], &[("MODE", "dr"), ("KEEP", "1")]), expected);
    }

    #[test]
    fn a_flag_is_stronger_than_a_variable() {
        assert_eq!(read(&["--mode", "tun"], &[("MODE", "dr")]), run(Some(Mode::Tun), false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, environment, word) in [
            (&["--mode"][..], &[][..], "--mode"),
            (&["--mode", "snat"], &[], "snat"),
            (&["--fast"], &[], "--fast"),
            (&[], &[("MODE", "drr")], "drr"),
            (&[], &[("KEEP", "maybe")], "maybe"),
        ] {
            let error = read(arguments, environment).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
