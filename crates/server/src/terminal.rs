//! What a person sees: colours and tables on a terminal, plain text when piped. Data goes to standard
//! output, everything else to standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where printing is done")]

use std::io::{IsTerminal, Write};

/// Any failure of a command, as a sentence.
pub(crate) type Failure = String;

#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Green,
    Red,
    Yellow,
    Dim,
    Bold,
}

/// The text in a colour, where standard output is a terminal and nobody has asked for none.
pub(crate) fn paint(colour: Colour, text: &str) -> String {
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Green => 32,
        Colour::Red => 31,
        Colour::Yellow => 33,
        Colour::Dim => 2,
        Colour::Bold => 1,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// A line of data. A reader that went away ends the program quietly.
pub(crate) fn say(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// A line beside the data.
pub(crate) fn note(line: &str) {
    eprintln!("{line}");
}

pub(crate) fn complain(failure: &str) {
    let word = if std::io::stderr().is_terminal() { "\x1b[31merror\x1b[0m" } else { "error" };
    eprintln!("{word}: {failure}");
}

/// Shows how far something is, on a terminal; an empty text takes it away.
pub(crate) fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

/// Bytes in the unit that fits.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, ((bytes & 0x3fff_ffff) * 10) >> 30),
    }
}

/// What a restore changed.
pub(crate) fn changes(answer: &serde_json::Value) -> String {
    let part = |name: &str| answer.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    format!("{} rows and {} files differed", part("rows") + part("counters"), part("blobs"))
}

/// Goes up over `lines` lines and clears them, to draw a live picture again.
pub(crate) fn rewind(lines: usize) {
    if lines > 0 {
        print!("\x1b[{lines}A\x1b[J");
        let _ = std::io::stdout().flush();
    }
}

/// Columns as wide as they need to be.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|h| h.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    say(&paint(Colour::Bold, &line(head.iter().map(|h| (*h).to_owned()).collect())));
    for row in rows {
        say(&line(row.clone()));
    }
}
