//! The grammar of `secrets`. A value is never an argument, which others on the machine could read.

use std::path::PathBuf;

use clap::Subcommand;
use provisioning_core::name::SecretName;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsVerb {
    /// List the secrets, where each comes from and whether you can read it; a command is not run for that
    List,
    /// Set a secret to what is typed or piped in; the newline at its end is no part of it
    Set {
        /// The secret
        #[arg(value_parser = SecretName::parse)]
        name: SecretName,
        /// Take what stands in FILE, to the byte
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Print the value of a secret
    Get {
        /// The secret
        #[arg(value_parser = SecretName::parse)]
        name: SecretName,
    },
    /// Change a secret in $VISUAL or $EDITOR
    Edit {
        /// The secret
        #[arg(value_parser = SecretName::parse)]
        name: SecretName,
    },
    /// Remove a secret for good
    Remove {
        /// The secret
        #[arg(value_parser = SecretName::parse)]
        name: SecretName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// List, add and remove those who can read the secrets
    Recipients {
        #[command(subcommand)]
        verb: Option<RecipientsVerb>,
    },
    /// Seal with a new data key from now on, and encrypt everything anew to those who are recipients now
    Rotate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecipientsVerb {
    /// Let somebody read all secrets
    Add {
        /// Their public key, `age1…`
        key: String,
        /// Whose key it is
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// Let somebody read no longer what is written from now on
    Remove {
        /// Their public key, `age1…`, or the name that only they have in the list
        key: String,
    },
}
