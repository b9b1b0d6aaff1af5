"""Language tags in the form of BCP 47: language, script, region, variants."""

import re

# ISO 639-1, run together. Three-letter codes are taken by their form: there are some 8,000 of them.
_CODES = (
    "aaabaeafakamanarasavayazbabebgbhbibmbnbobrbscacechcocrcscucvcydadedvdzeeeleneoeseteufafffifj"
    "fofrfygagdglgngugvhahehihohrhthuhyhziaidieigiiikioisitiujajvkakgkikjkkklkmknkokrkskukvkwkyla"
    "lblglilnloltlulvmgmhmimkmlmnmrmsmtmynanbndnengnlnnnonrnvnyocojomorospapiplpsptqurmrnrorurwsa"
    "scsdsesgshsiskslsmsnsosqsrssstsusvswtatetgthtitktltntotrtstttwtyugukuruzvevivowawoxhyiyozazh"
    "zu"
)
_TWO_LETTERS = frozenset(_CODES[start : start + 2] for start in range(0, len(_CODES), 2))

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<rest>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-x(?:-[a-z0-9]{1,8})+)?)"
)
MAX_LENGTH = 35


def normalise_language(text: str) -> str | None:
    """The tag in its usual capitals ("PT-br" → "pt-BR"), or None when it is none."""
    match = _TAG.fullmatch(text.lower()) if len(text) <= MAX_LENGTH and text.isascii() else None
    if match is None or (len(match["language"]) == 2 and match["language"] not in _TWO_LETTERS):
        return None
    parts = [match["language"]]
    if match["script"]:
        parts.append(match["script"].title())
    if match["region"]:
        parts.append(match["region"].upper())
    return "-".join(parts) + match["rest"]
