"""The last step of every rendering, and the only place that declares mark-up safe.

No element that loads or opens anything, no attribute that holds an address, a style or a script, no id.
Classes and most attribute values come from fixed sets: model text can not borrow the look of the interface.
"""

from typing import Final

import nh3
from django.utils.safestring import SafeString
from pygments.token import STANDARD_TYPES

_HTML: Final = (
    "p br hr h3 h4 h5 h6 strong em s code pre blockquote ul ol li span mark div table thead tbody tr th td"
)
_MATHML: Final = (
    "math semantics annotation mrow mi mo mn mtext ms mspace mfrac msqrt mroot mstyle msub msup msubsup"
    " munder mover munderover mmultiscripts mprescripts none mtable mtr mtd menclose mphantom"
)
TAGS: Final = frozenset(f"{_HTML} {_MATHML}".split())
_DIRECTED: Final = "p h3 h4 h5 h6 li blockquote th td"
_MO_SWITCHES: Final = "stretchy fence separator movablelimits largeop symmetric"
_TRUE_OR_FALSE: Final = {"true", "false"}
ATTRIBUTES: Final[dict[str, set[str]]] = {
    "span": {"title"},
    "ol": {"start"},
    "mo": {"minsize", "maxsize", "lspace", "rspace"},
    "mspace": {"width"},
    "mtable": {"columnalign", "columnspacing", "rowspacing", "columnlines", "rowlines"},
    "mtd": {"columnalign"},
    "mfrac": {"linethickness"},
    "menclose": {"notation"},
}
ATTRIBUTE_VALUES: Final[dict[str, dict[str, set[str]]]] = {
    **{tag: {"dir": {"auto"}} for tag in _DIRECTED.split()},
    "pre": {"tabindex": {"0"}, "aria-label": {"Code"}, "dir": {"auto", "ltr"}},
    "code": {"dir": {"ltr"}},
    "div": {"tabindex": {"0"}, "role": {"group"}, "aria-label": {"Table", "Formula"}},
    "math": {"display": {"inline", "block"}},
    "annotation": {"encoding": {"application/x-tex"}},
    "mo": {
        "form": {"prefix", "infix", "postfix"},
        **dict.fromkeys(_MO_SWITCHES.split(), _TRUE_OR_FALSE),
    },
    "mi": {"mathvariant": {"normal"}},
    "mover": {"accent": _TRUE_OR_FALSE},
    "munder": {"accentunder": _TRUE_OR_FALSE},
    "mstyle": {"displaystyle": _TRUE_OR_FALSE, "scriptlevel": {"0", "1", "2"}},
}
CLASSES: Final[dict[str, set[str]]] = {
    "span": {"ctl", "ref", "go", "host", "img"} | {short for short in STANDARD_TYPES.values() if short},
    "pre": {"hl", "plain"},
    "code": {"tex"},
    "div": {"table", "formula"},
    "th": {"c", "r"},
    "td": {"c", "r"},
}

_cleaner = nh3.Cleaner(
    tags=TAGS,
    clean_content_tags=set(),
    attributes=ATTRIBUTES,
    tag_attribute_values=ATTRIBUTE_VALUES,
    allowed_classes=CLASSES,
    url_schemes=set(),
    link_rel=None,
    strip_comments=True,
)


def clean(html: str) -> SafeString:
    """Keep what the lists above name, drop every other tag and attribute, and vouch for the result."""
    return SafeString(_cleaner.clean(html))
