"""`python -m ai_workflow` is `aiw`."""

import sys

from ai_workflow.cli.main import main

sys.exit(main())
