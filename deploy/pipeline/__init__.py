"""From a commit to the deployment repository: the same steps in every CI system and by hand (docs/pipeline.md)."""
