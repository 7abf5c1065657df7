//! [`Placed`]: which file belongs on which node, and under which setting it goes there.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::output::table;
use crate::config::schema::{self, Key};
use crate::member::Role;

/// The files of one node.
#[derive(Debug, Serialize)]
pub(super) struct Placed {
    /// Its member id, or `every node`.
    pub(super) node: String,
    pub(super) files: Vec<PlacedFile>,
}

/// One file, and where it goes.
#[derive(Debug, Serialize)]
pub(super) struct PlacedFile {
    /// Where it was written, or where it is already.
    pub(super) file: PathBuf,
    /// Where the node is to have it.
    pub(super) place: PathBuf,
    /// The setting that names it; none for the configuration itself.
    pub(super) setting: Option<String>,
    /// The variable of that setting.
    pub(super) variable: Option<String>,
}

impl PlacedFile {
    /// A file that the setting `name` of the security section names.
    pub(super) fn new(role: Role, name: &str, file: &Path, place: PathBuf) -> Self {
        let key = security_key(role, name);
        Self {
            file: file.to_owned(),
            place,
            setting: Some(key.path.clone()),
            variable: Some(key.variable.clone()),
        }
    }

    /// A file that is the node's configuration.
    pub(super) fn configuration(file: &Path, place: PathBuf) -> Self {
        Self {
            file: file.to_owned(),
            place,
            setting: None,
            variable: None,
        }
    }
}

/// The key of a setting of the security section, which the schema must have.
pub(super) fn security_key(role: Role, name: &str) -> &'static Key {
    let section = match role {
        Role::Broker => "zeebe.broker.network.security",
        Role::Gateway => "zeebe.gateway.cluster.security",
    };
    key(&format!("{section}.{name}"))
}

/// The key at `path`, which the schema must have.
pub(super) fn key(path: &str) -> &'static Key {
    let found = schema::keys().iter().find(|key| key.path == path);
    found.unwrap_or_else(|| panic!("the schema has no key {path}"))
}

/// One line for each file.
pub(super) fn human<'a>(placed: impl IntoIterator<Item = &'a Placed>) -> String {
    let mut table = table(["node", "file", "setting, variable"]);
    for node in placed {
        for (index, file) in node.files.iter().enumerate() {
            let shown = file.file.display().to_string();
            let name = match index {
                0 => node.node.as_str(),
                _ => "",
            };
            let setting = match (&file.setting, &file.variable) {
                (Some(setting), Some(variable)) => format!("{setting}\n{variable}"),
                _ => "all of its settings".to_owned(),
            };
            table.add_row([name.to_owned(), shown, setting]);
        }
    }
    table.trim_fmt()
}
