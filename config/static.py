"""Static files with hashed names, compressed once when they are collected."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """A file that a theme names but does not ship must not break a page."""

    manifest_strict = False
