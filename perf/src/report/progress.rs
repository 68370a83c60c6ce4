//! A bar on standard error that shows how far a run is, where that is a terminal.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far a run is.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Of `total` scenarios, on standard error. Where that is no terminal nothing is shown.
    #[must_use]
    pub fn on_stderr(total: usize) -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self::on(target, total)
    }

    fn on(target: ProgressDrawTarget, total: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Says what is measured now. The bar stands still while that goes on: a thread that moves it
    /// would take time from the CPUs that are measured.
    pub fn begin(&self, name: &str) {
        self.0.set_message(name.to_owned());
        self.0.tick();
    }

    /// One more is measured.
    pub fn advance(&self) {
        self.0.inc(1);
    }

    /// Calls `print`, which may write lines to the terminal; the bar is not there meanwhile.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// A terminal of one line.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_bar_says_what_is_measured_and_makes_way_for_lines() {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let progress = Progress::on(target, 2);
        progress.begin("memory/reload");
        assert!(screen.text().contains("0/2"), "{:?}", screen.text());
        assert!(screen.text().contains("memory/reload"), "{:?}", screen.text());
        progress.advance();
        let during = progress.aside(|| screen.text());
        assert_eq!(during.trim(), "");
        assert!(screen.text().contains("1/2"), "{:?}", screen.text());
        drop(progress);
        assert_eq!(screen.text().trim(), "");
    }
}
