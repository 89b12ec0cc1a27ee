//! `harness ca`: makes an authority that outlives a run, for relays that are started by hand.

use super::Done;
use crate::{
    cli::CaArgs,
    gateway::{Authority, CERTIFICATE_FILE, KEY_FILE},
    run::RunError,
};

/// Makes it.
///
/// # Errors
///
/// If the folder has one already, or cannot be written.
pub fn ca(args: &CaArgs) -> Result<Done, RunError> {
    Authority::create(&args.out).map_err(|e| RunError::Usage(e.to_string()))?;
    let (certificate, key) = (args.out.join(CERTIFICATE_FILE), args.out.join(KEY_FILE));
    let mut out = String::new();
    line!(out, "certificate  {}", certificate.display());
    line!(out, "key          {}", key.display());
    line!(out);
    line!(
        out,
        "Let the relay under test trust the certificate, and nobody else: whoever has the key can"
    );
    line!(
        out,
        "answer for any host. Then: harness run --ca {} --listen ADDR ...",
        args.out.display()
    );
    Ok(Done::passed(out))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_says_where_they_are_and_makes_them_once() {
        let dir = tempfile::tempdir().unwrap();
        let args = CaArgs { out: dir.path().join("made") };
        let done = ca(&args).unwrap();
        assert!(done.output.contains("made/ca.pem") && done.output.contains("--ca"));
        let again = ca(&args).unwrap_err();
        assert!(matches!(&again, RunError::Usage(why) if why.contains("ca.pem")), "{again}");
    }
}
