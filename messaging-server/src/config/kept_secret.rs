//! Secrets the service draws itself and keeps beside its data, readable by their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use messaging_core::ports::entropy::Entropy;
use secrecy::SecretString;

/// How many bytes of a kept secret are believed to be one.
const MIN_BYTES: usize = 32;

/// Why a kept secret cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptSecretError {
    /// The file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner can read the file.
    #[error(
        "{} can be read by others than its owner (mode {mode:03o}): \
         make it private with `chmod 600`, or delete it to have another drawn",
        path.display()
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is cut short or holds something else.
    #[error("{} holds no secret: delete it to have another drawn", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
    },
}

/// The secret kept as `name` in `dir`; draws and keeps one where there is none. However many
/// processes do this at once, all get the same.
///
/// # Errors
/// [`KeptSecretError`] where the file cannot be used as it is; it is never overwritten.
pub fn load_or_draw(
    dir: &Path,
    name: &str,
    entropy: &dyn Entropy,
) -> Result<SecretString, KeptSecretError> {
    let path = dir.join(name);
    if let Some(secret) = load(&path)? {
        return Ok(secret);
    }
    let failed = |source| KeptSecretError::File { path: path.clone(), source };
    create_private_dir(dir).map_err(failed)?;
    match publish(&path, entropy) {
        Ok(()) => {}
        // Another process was first: its secret is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    load(&path)?.ok_or_else(|| KeptSecretError::Unusable { path: path.clone() })
}

/// Whether a secret is kept as `name` in `dir`; draws none.
///
/// # Errors
/// [`KeptSecretError`] where the file cannot be used as it is.
pub(crate) fn is_kept(dir: &Path, name: &str) -> Result<bool, KeptSecretError> {
    Ok(load(&dir.join(name))?.is_some())
}

fn load(path: &Path) -> Result<Option<SecretString>, KeptSecretError> {
    let failed = |source| KeptSecretError::File { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    check_private(path, &file)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let text = text.trim();
    if text.len() < MIN_BYTES {
        return Err(KeptSecretError::Unusable { path: path.to_owned() });
    }
    Ok(Some(SecretString::from(text)))
}

/// Writes a new secret beside its place and links it there whole: nobody ever sees a part of it,
/// and linking fails where there is one already.
fn publish(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let draft = path.with_extension(format!("{:016x}", entropy.next_u64()));
    let written = write_draft(&draft, entropy).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    // How the writing went says more: the draft may not even have come into being.
    written?;
    removed
}

fn write_draft(draft: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    for _ in 0..4 {
        write!(file, "{:016x}", entropy.next_u64())?;
    }
    writeln!(file)?;
    file.sync_all()
}

/// Makes a directory that its owner alone can look into; one that is there is left as it is.
pub(crate) fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(unix)]
fn check_private(path: &Path, file: &File) -> Result<(), KeptSecretError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| KeptSecretError::File { path: path.to_owned(), source };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KeptSecretError::Exposed { path: path.to_owned(), mode })
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &File) -> Result<(), KeptSecretError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use messaging_core::ports::entropy::SystemEntropy;
    use secrecy::ExposeSecret;

    use super::*;

    fn drawn(dir: &Path) -> String {
        load_or_draw(dir, "jwt_secret", &SystemEntropy).unwrap().expose_secret().to_owned()
    }

    #[test]
    fn a_secret_is_drawn_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("data");
        let first = drawn(&dir);
        assert_eq!(first.len(), 64);
        assert_eq!(drawn(&dir), first);
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["jwt_secret"], "no draft is left behind");
    }

    #[test]
    fn processes_that_start_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| drawn(dir.path()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        drawn(dir.path());
        let path = dir.path().join("jwt_secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_draw(dir.path(), "jwt_secret", &SystemEntropy).unwrap_err();
        assert!(error.to_string().contains("mode 644"), "{error}");
    }

    #[test]
    fn a_file_cut_short_is_not_taken_for_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        drawn(dir.path());
        fs::write(dir.path().join("jwt_secret"), "short").unwrap();
        let error = load_or_draw(dir.path(), "jwt_secret", &SystemEntropy).unwrap_err();
        assert!(matches!(error, KeptSecretError::Unusable { .. }));
    }
}
