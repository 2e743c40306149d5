"""Documents as functions of records: prompts, handoffs, mirrors, audits, commit messages. Pure."""
