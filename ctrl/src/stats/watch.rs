//! Showing something again and again: redrawn in place on a terminal, block after block elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal::{
    self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{execute, queue};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::Look;
use crate::cli;
use crate::error::CtrlError;
use crate::exit::Exit;
use crate::term::Screen;

/// Rows of a terminal that does not tell.
const ROWS_UNKNOWN: usize = 24;
/// How soon a signal is noticed.
const TICK: Duration = Duration::from_millis(100);

/// Shows what `look` finds every `interval`, so many `times` or until it is told to stop. A daemon
/// that goes away later is waited for.
pub(super) fn watch(
    look: impl Fn() -> Result<Look, CtrlError>,
    interval: Duration,
    times: Option<u64>,
    wide: bool,
) -> Result<(), CtrlError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(CtrlError::Output)?;
    }
    // What is wrong from the beginning is no interruption.
    let mut last = look()?;
    let mut text = last.text.clone();
    let drawing = if io::stdout().is_terminal() { Some(Drawing::begin()?) } else { None };
    let mut shown = 0_u64;
    loop {
        match &drawing {
            Some(drawing) => drawing.draw(&text, wide)?,
            None => cli::print(&text)?,
        }
        shown += 1;
        if times.is_some_and(|times| shown >= times) {
            return Ok(());
        }
        let next = Instant::now() + interval;
        while Instant::now() < next {
            let rest = TICK.min(next.saturating_duration_since(Instant::now()));
            let is_over = match &drawing {
                Some(drawing) => drawing.wait(rest, &text, wide)?,
                None => {
                    std::thread::sleep(rest);
                    false
                }
            };
            if is_over || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        text = match look() {
            Ok(now) => {
                let note = if now.pid == last.pid { "" } else { "the daemon was restarted\n" };
                let text = format!("{note}{}", now.text);
                last = now;
                text
            }
            Err(error) if is_passing(&error) => format!("{error}\n\nlast known:\n{}", last.text),
            Err(error) => return Err(error),
        };
        if drawing.is_none() {
            text.insert(0, '\n');
        }
    }
}

/// Whether it may be over the next time: the daemon is being restarted, or is busy.
fn is_passing(error: &CtrlError) -> bool {
    matches!(Exit::of(error), Exit::Unreachable | Exit::Busy)
        || matches!(error, CtrlError::Answer { .. })
}

/// The terminal while something is drawn on it; as it was again when this is dropped.
struct Drawing;

impl Drawing {
    fn begin() -> Result<Self, CtrlError> {
        enable_raw_mode().map_err(CtrlError::Output)?;
        // From here on it is put right whatever happens.
        let drawing = Self;
        execute!(io::stdout(), EnterAlternateScreen, Hide).map_err(CtrlError::Output)?;
        Ok(drawing)
    }

    fn draw(&self, text: &str, wide: bool) -> Result<(), CtrlError> {
        // A terminal that does not know its size says 0.
        let rows = terminal::size().map_or(0, |(_, rows)| usize::from(rows));
        let rows = if rows == 0 { ROWS_UNKNOWN } else { rows };
        let shown = Screen::of_output(wide).show(text);
        let lines: Vec<_> = shown.lines().take(rows).collect();
        let mut out = io::stdout().lock();
        let write = |out: &mut io::StdoutLock<'_>| {
            queue!(out, MoveTo(0, 0))?;
            for (row, line) in lines.iter().enumerate() {
                let end = if row + 1 == rows { "" } else { "\r\n" };
                write!(out, "{line}")?;
                queue!(out, Clear(ClearType::UntilNewLine))?;
                write!(out, "{end}")?;
            }
            if lines.len() < rows {
                queue!(out, Clear(ClearType::FromCursorDown))?;
            }
            out.flush()
        };
        write(&mut out).map_err(CtrlError::Output)
    }

    /// Waits so long for a key; whether it is one that ends.
    fn wait(&self, span: Duration, text: &str, wide: bool) -> Result<bool, CtrlError> {
        if !event::poll(span).map_err(CtrlError::Output)? {
            return Ok(false);
        }
        let event = event::read().map_err(CtrlError::Output)?;
        if let Event::Resize(..) = event {
            self.draw(text, wide)?;
        }
        let Event::Key(key) = event else { return Ok(false) };
        let is_interrupt =
            key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        Ok(is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        // There is nowhere left to complain to.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}
