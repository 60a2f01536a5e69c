//! The shape of a log line: one JSON object for machines, one sentence for people.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;

use tracing::Level;
use tracing::field::{Field, Visit};

use crate::clock;
use crate::telemetry::trip;

/// What every JSON line says of its writer.
const SERVICE: &str =
    concat!(r#","service":"holdall","version":""#, env!("CARGO_PKG_VERSION"), "\"");

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    /// For eyes, in colour where the terminal has some.
    Pretty {
        colour: bool,
    },
}

/// What is told of an answered request.
#[derive(Debug)]
pub struct Access<'trip> {
    pub request_id: &'trip str,
    pub method: &'trip str,
    /// The template, never the path: ids and secrets of people stay out of the logs.
    pub route: &'trip str,
    pub status: u16,
    pub elapsed_us: u64,
}

/// The fields of an event, its message apart.
#[derive(Default)]
pub struct Fields {
    message: String,
    /// As JSON members, each with a comma before it.
    json: Vec<u8>,
    /// As ` name=value`.
    text: String,
}

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Format {
    /// Hands the line of an event to `write`.
    pub fn event(self, level: &Level, fields: &Fields, write: impl FnOnce(&[u8])) {
        with_line(|line| {
            match self {
                Self::Json => {
                    open(line, name(level));
                    string(line, &fields.message);
                    trip::with(|trip| id(line, trip.id()));
                    line.extend_from_slice(SERVICE.as_bytes());
                    line.extend_from_slice(&fields.json);
                    line.extend_from_slice(b"}\n");
                }
                Self::Pretty { colour } => {
                    head(line, level, colour);
                    plain(line, &fields.message);
                    plain(line, &fields.text);
                    trip::with(|trip| {
                        line.extend_from_slice(b" request_id=");
                        line.extend_from_slice(trip.id().as_bytes());
                    });
                    line.push(b'\n');
                }
            }
            write(line);
        });
    }

    /// Hands the line of an answered request to `write`.
    pub fn access(self, access: &Access<'_>, write: impl FnOnce(&[u8])) {
        let Access { request_id, method, route, status, elapsed_us } = *access;
        let (whole_ms, part) = (elapsed_us / 1000, elapsed_us % 1000);
        with_line(|line| {
            // Method and route hold nothing that JSON would escape: tokens and our own templates.
            let _ = match self {
                Self::Json => {
                    open(line, "info");
                    let _ =
                        write!(line, "\"{method} {route} {status} in {whole_ms}.{part:03} ms\"");
                    id(line, request_id);
                    line.extend_from_slice(SERVICE.as_bytes());
                    writeln!(
                        line,
                        r#","method":"{method}","route":"{route}","status":{status},"elapsed_ms":{whole_ms}.{part:03}}}"#
                    )
                }
                Self::Pretty { colour } => {
                    head(line, &Level::INFO, colour);
                    writeln!(
                        line,
                        "{method} {route} {status} in {whole_ms}.{part:03} ms request_id={request_id}"
                    )
                }
            };
            write(line);
        });
    }
}

fn with_line(make: impl FnOnce(&mut Vec<u8>)) {
    LINE.with(|line| match line.try_borrow_mut() {
        Ok(mut line) => {
            line.clear();
            make(&mut line);
        }
        // Something that is being logged logs: it gets a line of its own.
        Err(_) => make(&mut Vec::new()),
    });
}

fn open(line: &mut Vec<u8>, level: &str) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    clock::write_rfc3339(line, clock::system_ms());
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(level.as_bytes());
    line.extend_from_slice(b"\",\"message\":");
}

fn id(line: &mut Vec<u8>, request_id: &str) {
    line.extend_from_slice(b",\"request_id\":\"");
    line.extend_from_slice(request_id.as_bytes());
    line.push(b'"');
}

fn head(line: &mut Vec<u8>, level: &Level, colour: bool) {
    let (paint, word) = match *level {
        Level::ERROR => ("31", "ERROR"),
        Level::WARN => ("33", "WARN "),
        Level::INFO => ("32", "INFO "),
        Level::DEBUG => ("34", "DEBUG"),
        Level::TRACE => ("35", "TRACE"),
    };
    clock::write_rfc3339(line, clock::system_ms());
    let _ = match colour {
        true => write!(line, " \x1b[{paint}m{word}\x1b[0m "),
        false => write!(line, " {word} "),
    };
}

/// Text for a terminal: nothing in it may move the cursor or start another line.
fn plain(line: &mut Vec<u8>, text: &str) {
    for part in text.chars() {
        if part.is_control() {
            let _ = write!(line, "{}", part.escape_default());
        } else {
            let _ = write!(line, "{part}");
        }
    }
}

fn string(line: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(line, text).expect("text is JSON, and memory takes every write");
}

fn name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

impl Fields {
    fn add(&mut self, field: &Field, json: impl FnOnce(&mut Vec<u8>), text: fmt::Arguments<'_>) {
        if field.name() == "message" {
            fmt::write(&mut self.message, text).expect("memory takes every write");
            return;
        }
        self.json.push(b',');
        string(&mut self.json, field.name());
        self.json.push(b':');
        json(&mut self.json);
        fmt::write(&mut self.text, format_args!(" {}={text}", field.name()))
            .expect("memory takes every write");
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.record_str(field, &text);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |json| string(json, value), format_args!("{value}"));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |json| drop(write!(json, "{value}")), format_args!("{value}"));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |json| drop(write!(json, "{value}")), format_args!("{value}"));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |json| drop(write!(json, "{value}")), format_args!("{value}"));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        // Infinity and the like are no JSON numbers; serde_json says `null` then.
        let json = |json: &mut Vec<u8>| {
            serde_json::to_writer(json, &value).expect("a number is JSON");
        };
        self.add(field, json, format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn access(format: Format) -> String {
        let access = Access {
            request_id: "abc",
            method: "GET",
            route: "/api/collections/{collection}",
            status: 200,
            elapsed_us: 1234,
        };
        let mut told = String::new();
        format.access(&access, |line| told = String::from_utf8(line.to_vec()).unwrap());
        told
    }

    fn event(format: Format, message: &str) -> String {
        let fields = Fields {
            message: message.to_owned(),
            json: br#","cause":"x""#.to_vec(),
            text: " cause=x".to_owned(),
        };
        let mut told = String::new();
        format
            .event(&Level::WARN, &fields, |line| told = String::from_utf8(line.to_vec()).unwrap());
        told
    }

    #[test]
    fn access_line_is_json_with_the_agreed_keys() {
        let line: Value = serde_json::from_str(&access(Format::Json)).unwrap();
        assert_eq!(line["message"], "GET /api/collections/{collection} 200 in 1.234 ms");
        assert_eq!(line["request_id"], "abc");
        assert_eq!(line["service"], "holdall");
        assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!((&line["status"], &line["elapsed_ms"]), (&200.into(), &1.234.into()));
        assert_eq!(line["timestamp"].as_str().unwrap().len(), 24);
    }

    #[test]
    fn event_line_is_one_line_whatever_the_message_holds() {
        for format in [Format::Json, Format::Pretty { colour: false }] {
            let line = event(format, "two\nlines and \"quotes\" and \x1b[2J");
            assert_eq!(line.matches('\n').count(), 1);
            assert!(!line.contains('\x1b'));
        }
        let line: Value = serde_json::from_str(&event(Format::Json, "a\nb")).unwrap();
        assert_eq!((&line["message"], &line["level"]), (&"a\nb".into(), &"warn".into()));
        assert_eq!(line["cause"], "x");
    }

    #[test]
    fn people_read_a_sentence() {
        let line = access(Format::Pretty { colour: false });
        assert!(line.ends_with(
            " INFO  GET /api/collections/{collection} 200 in 1.234 ms request_id=abc\n"
        ));
    }
}
