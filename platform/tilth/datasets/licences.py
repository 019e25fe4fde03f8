"""The licences that data carries, by their SPDX names, and the words for those that have none.

Pure: no Django.
"""

import re

from tilth.errors import InvalidInput

LICENCES: dict[str, str] = {
    "unknown": "Unknown: nobody has looked yet",
    "proprietary": "Our own or under contract",
    "mixed": "Mixed: the rows say",
    "public-domain": "Public domain",
    "CC0-1.0": "Creative Commons Zero 1.0",
    "CC-BY-3.0": "Creative Commons Attribution 3.0",
    "CC-BY-4.0": "Creative Commons Attribution 4.0",
    "CC-BY-SA-3.0": "Creative Commons Attribution Share Alike 3.0",
    "CC-BY-SA-4.0": "Creative Commons Attribution Share Alike 4.0",
    "CC-BY-ND-4.0": "Creative Commons Attribution No Derivatives 4.0",
    "CC-BY-NC-4.0": "Creative Commons Attribution Non Commercial 4.0",
    "CC-BY-NC-SA-4.0": "Creative Commons Attribution Non Commercial Share Alike 4.0",
    "CC-BY-NC-ND-4.0": "Creative Commons Attribution Non Commercial No Derivatives 4.0",
    "ODC-By-1.0": "Open Data Commons Attribution 1.0",
    "ODbL-1.0": "Open Data Commons Open Database 1.0",
    "PDDL-1.0": "Open Data Commons Public Domain 1.0",
    "CDLA-Permissive-2.0": "Community Data License Agreement Permissive 2.0",
    "CDLA-Sharing-1.0": "Community Data License Agreement Sharing 1.0",
    "MIT": "MIT",
    "Apache-2.0": "Apache 2.0",
    "BSD-2-Clause": "BSD 2-Clause",
    "BSD-3-Clause": "BSD 3-Clause",
    "ISC": "ISC",
    "MPL-2.0": "Mozilla Public 2.0",
    "GPL-2.0-only": "GNU General Public 2",
    "GPL-3.0-only": "GNU General Public 3",
    "LGPL-3.0-only": "GNU Lesser General Public 3",
    "AGPL-3.0-only": "GNU Affero General Public 3",
    "GFDL-1.3-only": "GNU Free Documentation 1.3",
    "Unlicense": "Unlicense",
}
_HUB = {
    "odc-by": "ODC-By-1.0",
    "odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
    "gpl-3.0": "GPL-3.0-only",
    "gpl-2.0": "GPL-2.0-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "agpl-3.0": "AGPL-3.0-only",
    "gfdl": "GFDL-1.3-only",
    "other": "unknown",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0",
}
_BY_LOWER = {name.lower(): name for name in LICENCES} | _HUB
_OWN = re.compile(r"LicenseRef-[A-Za-z0-9.-]{1,80}")


def check_licence(text: str) -> str:
    """The licence's name as SPDX spells it; ``LicenseRef-Name`` for one that has no SPDX name."""
    text = text.strip()
    if text.lower() in _BY_LOWER:
        return _BY_LOWER[text.lower()]
    if _OWN.fullmatch(text):
        return text
    raise InvalidInput(
        f"{text!r} is not a licence that is known: use an SPDX name such as CC-BY-4.0 or MIT, "
        "LicenseRef-Name for another, or unknown",
        code="bad_licence",
        field="licence",
    )


def known_or_unknown(text: str) -> str:
    """The licence that a card names, or ``unknown`` where its words are not a licence's name."""
    try:
        return check_licence(text)
    except InvalidInput:
        return "unknown"
