//! A page in a real browser, driven from outside: what stands on it, keys pressed, pictures taken. The protocol is WebDriver's (W3C), with
//! Chromium's own commands where that has none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::browser::Browser;
use super::{Process, free_ports, is_installed, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// A window of a browser; the browser ends with it.
pub(crate) struct Page {
    port: u16,
    session: String,
    _driver: Process,
    _directory: TempDir,
}

impl Page {
    /// An empty window. `None`, with a word to whoever reads the test's output, where there is no browser or no driver.
    pub(crate) fn open() -> Option<Self> {
        Browser::find()?;
        if !is_installed("chromedriver") {
            println!("skipped: chromedriver is not installed");
            return None;
        }
        let directory = TempDir::new().unwrap();
        let port = *free_ports(1).start();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}"));
        let mut page = Self {
            port,
            session: String::new(),
            _driver: Process::spawn("chromedriver", &mut driver, directory.path()),
            _directory: directory,
        };
        wait_until("the driver is ready", PATIENCE, || {
            exchange(port, "GET", "/status", None)
        });
        // Nothing but this machine is reachable: every name leads nowhere.
        let options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": options },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let opened = exchange(port, "POST", "/session", Some(&wanted)).unwrap();
        page.session = opened["sessionId"].as_str().unwrap().to_owned();
        Some(page)
    }

    pub(crate) fn go(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of the first element that a selector finds; nothing where there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let selector = json!(selector);
        let found = self.run(&format!(
            "return document.querySelector({selector})?.innerText ?? ''"
        ));
        found.as_str().unwrap().to_owned()
    }

    /// Waits until an element's text has these words.
    pub(crate) fn wait_for(&self, selector: &str, words: &str) {
        let what = format!("{selector} says {words:?}");
        wait_until(&what, PATIENCE, || {
            let text = self.text(selector);
            let is_there = !text.is_empty() && text.contains(words);
            is_there.then_some(()).ok_or(text)
        });
    }

    /// Presses keys, wherever the focus is.
    pub(crate) fn press(&self, keys: &str) {
        let keys = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let keyboard =
            json!({ "type": "key", "id": "keyboard", "actions": keys.collect::<Vec<_>>() });
        self.command("actions", &json!({ "actions": [keyboard] }));
    }

    /// Role and name of what has the focus, as it is read out.
    pub(crate) fn focused(&self) -> (String, String) {
        let element = self.ask("element/active");
        let element = element.as_object().unwrap().values().next().unwrap();
        let ask = |what| {
            let answer = self.ask(&format!("element/{}/{what}", element.as_str().unwrap()));
            answer.as_str().unwrap().to_owned()
        };
        (ask("computedrole"), ask("computedlabel"))
    }

    /// Light or dark, and how large: CSS pixels.
    pub(crate) fn look(&self, scheme: &str, (width, height): (u32, u32)) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.chromium(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [feature] }),
        );
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.chromium("Emulation.setDeviceMetricsOverride", &size);
    }

    /// The bytes of a PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let taken = self.chromium("Page.captureScreenshot", &json!({ "format": "png" }));
        BASE64_STANDARD
            .decode(taken["data"].as_str().unwrap())
            .unwrap()
    }

    /// What the browser has complained of since it was last asked.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({ "type": "browser" }));
        let log = log.as_array().unwrap().iter();
        log.map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    fn chromium(&self, command: &str, params: &Value) -> Value {
        self.command(
            "goog/cdp/execute",
            &json!({ "cmd": command, "params": params }),
        )
    }

    fn command(&self, name: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{name}", self.session);
        exchange(self.port, "POST", &path, Some(body)).unwrap()
    }

    fn ask(&self, name: &str) -> Value {
        let path = format!("/session/{}/{name}", self.session);
        exchange(self.port, "GET", &path, None).unwrap()
    }
}

impl Drop for Page {
    /// The driver takes the browser with it only if it is told.
    fn drop(&mut self) {
        let path = format!("/session/{}", self.session);
        if let Err(error) = exchange(self.port, "DELETE", &path, None) {
            eprintln!("the browser may live on: {error}");
        }
    }
}

/// The value that the driver answers with.
fn exchange(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let text = |error: std::io::Error| error.to_string();
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(text)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .map_err(text)?;
    let mut reader = BufReader::new(stream);
    let (mut status, mut length) = (String::new(), 0);
    reader.read_line(&mut status).map_err(text)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(text)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(|_| line.clone())?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer).map_err(text)?;
    let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    match status.contains(" 200 ") {
        true => Ok(answer["value"].take()),
        false => Err(answer.to_string()),
    }
}
