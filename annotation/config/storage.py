"""Static files under hashed names, so that browsers may keep them for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hashed and compressed; `import` statements between our ES modules are rewritten to the hashed names too."""

    support_js_module_import_aggregation = True
