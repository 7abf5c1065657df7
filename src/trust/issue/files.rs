//! [`NewFiles`]: files that appear together, whole, where none were, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::IssueError;

/// Files that are to appear together.
#[derive(Default)]
pub struct NewFiles(Vec<NewFile>);

struct NewFile {
    path: PathBuf,
    text: Zeroizing<String>,
    mode: u32,
}

impl NewFiles {
    /// A file that all may read, as certificates are.
    pub fn add(&mut self, path: PathBuf, text: String) {
        self.push(path, Zeroizing::new(text), 0o644);
    }

    /// A file that its owner alone may read, as keys are.
    pub fn add_secret(&mut self, path: PathBuf, text: Zeroizing<String>) {
        self.push(path, text, 0o600);
    }

    fn push(&mut self, path: PathBuf, text: Zeroizing<String>, mode: u32) {
        self.0.push(NewFile { path, text, mode });
    }

    /// Writes them all, making their directories.
    ///
    /// Each name is taken first, by an empty file that only one process can make; then each file is written under another
    /// name, to the disk, and moved into its place. So no file is overwritten, and none is seen half written.
    ///
    /// # Errors
    ///
    /// [`IssueError::Exists`] or [`IssueError::Write`]; whatever was made is removed again.
    pub fn write(&self) -> Result<(), IssueError> {
        let mut made = Made::default();
        for file in &self.0 {
            if let Some(directory) = file.path.parent() {
                made.directory(directory)?;
            }
        }
        for file in &self.0 {
            made.take(&file.path)?;
        }
        for file in &self.0 {
            made.fill(file)?;
        }
        made.keep();
        Ok(())
    }
}

/// What was made so far; removed when dropped, unless it is kept.
#[derive(Default)]
struct Made {
    /// Outermost first.
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    fn directory(&mut self, directory: &Path) -> Result<(), IssueError> {
        let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let missing: Vec<&Path> = directory.ancestors().take_while(missing).collect();
        for path in missing.into_iter().rev() {
            fs::create_dir(path).map_err(|cause| not_written(path, cause))?;
            self.directories.push(path.to_owned());
        }
        Ok(())
    }

    fn take(&mut self, path: &Path) -> Result<(), IssueError> {
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).open(path) {
            Ok(_) => self.files.push(path.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(IssueError::Exists {
                    file: path.to_owned(),
                });
            }
            Err(cause) => return Err(not_written(path, cause)),
        }
        Ok(())
    }

    fn fill(&mut self, file: &NewFile) -> Result<(), IssueError> {
        let mut name = file.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let draft = file.path.with_file_name(name);
        self.files.push(draft.clone());
        let written = open_new(&draft, file.mode).and_then(|mut open| {
            open.write_all(file.text.as_bytes())?;
            open.sync_all()?;
            fs::rename(&draft, &file.path)
        });
        written.map_err(|cause| not_written(&file.path, cause))
    }

    fn keep(mut self) {
        self.files.clear();
        self.directories.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Drafts that were moved are gone already, and a directory somebody else uses by now stays.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for directory in self.directories.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn open_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

fn not_written(path: &Path, cause: io::Error) -> IssueError {
    IssueError::Write {
        file: path.to_owned(),
        cause,
    }
}
