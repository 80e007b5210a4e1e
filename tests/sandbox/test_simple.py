from packaging.version import Version

from garscaffold.sandbox.simple import Distribution, Link, merge, read_filename, read_page, write_page

PAGE = """<!DOCTYPE html><html><head><title>Links</title></head><body>
<a href="../../files/acme_lib-1.0-py3-none-any.whl#sha256=aa" data-requires-python="&gt;=3.8">acme_lib-1.0</a>
<a href="https://files.example/acme-lib-0.9.tar.gz#md5=cc" data-yanked="broken &amp; bad">acme-lib-0.9.tar.gz</a>
<a href="acme%20lib.zip" data-yanked>odd</a><a name="no-href">nothing</a>
</body></html>"""


def test_a_page_is_read_with_hashes_pythons_and_yanks() -> None:
    links = read_page(PAGE, "https://index.example/simple/acme-lib/")
    assert links == [
        Link(
            "acme_lib-1.0-py3-none-any.whl", "https://index.example/files/acme_lib-1.0-py3-none-any.whl", "aa", ">=3.8"
        ),
        Link("acme-lib-0.9.tar.gz", "https://files.example/acme-lib-0.9.tar.gz", yanked="broken & bad"),
        Link("acme lib.zip", "https://index.example/simple/acme-lib/acme%20lib.zip", yanked=""),
    ]
    assert [Link(**link.to_json()) for link in links] == links


def test_what_is_written_can_be_read_and_points_to_our_own_files() -> None:
    links = [Link("a-1-py3-none-any.whl", "https://elsewhere.example/x", "ff", ">=3.9,<4", 'say "why" <b>')]
    page = write_page("a", links)
    assert "elsewhere" not in page
    [read] = read_page(page, "https://h/p/r/simple/a/")
    assert read == Link(
        "a-1-py3-none-any.whl", "https://h/p/r/a/a-1-py3-none-any.whl", "ff", ">=3.9,<4", 'say "why" <b>'
    )


def test_file_names_are_read_as_the_packaging_standards_say() -> None:
    assert read_filename("Acme_Lib-1.0.0-py3-none-any.whl") == Distribution("acme-lib", Version("1.0.0"))
    assert read_filename("acme_lib-1.0.tar.gz") == Distribution("acme-lib", Version("1.0"))
    for name in ("notes.txt", "acme.egg", "acme-1.0.exe", "../x-1.tar.gz.asc"):
        assert read_filename(name) is None


def test_all_versions_are_merged_and_priority_decides_inside_one() -> None:
    private = [Link("a-1.0-py3-none-any.whl", sha256="private")]
    public = [
        Link("a-1.0.tar.gz", sha256="public"),
        Link("a-1.0.0-py3-none-any.whl", sha256="public"),
        Link("a-99.0.tar.gz", sha256="public"),
    ]
    merged = merge([(100, public), (200, private)])
    assert [(position, link.filename, link.sha256) for position, link in merged] == [
        (1, "a-1.0-py3-none-any.whl", "private"),
        (0, "a-99.0.tar.gz", "public"),
    ]
