//! A key and a certificate for tests, made by openssl.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Makes both, as files of a test of this name; or says that it cannot.
pub(crate) fn files(name: &str) -> Option<(PathBuf, PathBuf)> {
    // Two runs at once may share the folder of temporary files.
    let folder = format!("{name}-{}", std::process::id());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).expect("cargo has made the folder");
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let Ok(status) = made else {
        println!("not run: openssl is not installed");
        return None;
    };
    assert!(status.success(), "openssl makes no certificate");
    Some((certificate, key))
}

/// Returns a configuration of a server, and its certificate.
#[allow(dead_code, reason = "some tests need the files only")]
pub(crate) fn server_config() -> Option<(ServerConfig, CertificateDer<'static>)> {
    let test = std::thread::current();
    let name = test.name().unwrap_or("test").replace(':', "_");
    let (certificate, key) = files(&name)?;
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.clone()], key).expect("they fit");
    Some((config, certificate))
}
