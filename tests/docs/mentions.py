"""What the documentation and the files for deployment mention: is it there?"""

import re
import subprocess

# Read by the tests, or not to be told in a help text.
OTHER_VARIABLES = re.compile(r"INTERACTIONS_(LOG$|TEST_)")
COMMANDS = ("serve", "migrate", "health", "namespace", "key", "import", "export", "list", "config", "explain")


def wrong_mentions(root, program):
    """Everything that is mentioned and not there, a line for each."""
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("deploy/**/*.md"), *root.glob("fuzz/*.md")]
    deployed = [root / "Dockerfile", root / "compose.yaml", *root.glob("deploy/**/*.yaml")]
    helps = {command: help_of(program, command) for command in COMMANDS}
    return [
        *(wrong for page in pages for wrong in broken_links(root, page)),
        *(wrong for file in [*pages, *deployed] for wrong in unknown_variables(root, file, helps)),
        *(wrong for file in deployed for wrong in unknown_flags(root, file, helps)),
    ]


def help_of(program, command):
    asked = subprocess.run([program, command, "--help"], capture_output=True, text=True, check=True)
    return asked.stdout


def broken_links(root, page):
    """Links to files that are missing, and to headings that no page has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            yield f"{page.relative_to(root)}: there is no {target}"
        elif anchor and anchor not in headings(file):
            yield f"{page.relative_to(root)}: there is no heading {target}"


def without_code(page):
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def headings(page):
    """The anchors that GitHub makes of headings."""
    texts = re.findall(r"^#+ (.*)$", without_code(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") for text in texts}


def unknown_variables(root, file, helps):
    """Variables of the environment that no command speaks of."""
    for variable in sorted(set(re.findall(r"\bINTERACTIONS_[A-Z_]*[A-Z]\b", file.read_text(encoding="utf-8")))):
        known = any(re.search(rf"\[env: {variable}\b", text) for text in helps.values())
        if not known and not OTHER_VARIABLES.match(variable):
            yield f"{file.relative_to(root)}: no command reads {variable}"


def unknown_flags(root, file, helps):
    """Flags in lists of arguments, such as `args: [serve, --no-migrate]`, that the command does not have."""
    pattern = rf"\[(?:\w+, )*\"?({'|'.join(COMMANDS)})\"?\b([^\]]*)\]"
    for command, rest in re.findall(pattern, file.read_text(encoding="utf-8")):
        for flag in re.findall(r"--[a-z][a-z-]*", rest):
            if not re.search(rf"{flag}\b", helps[command]):
                yield f"{file.relative_to(root)}: {command} has no {flag}"
