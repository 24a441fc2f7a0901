import pytest

from components.narrated_video_example_gen.subtitles.markup import plain_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("this<00:00:01.000><c> will</c><c.colorE5E5E5><01:00.500><c> do</c></c>", "this will do"),
        ("<v Roger Bingham>We are in <i.loud>New York</i></v>", "We are in New York"),
        ('<font color="#fff">cut</font> <bold>it</bold><br/>', "cut it"),
        ("1 < 2 and 4 > 3", "1 < 2 and 4 > 3"),
        (r"{\an8}{\i1}fold{\i0} {y:i}it", "fold it"),
        ("salt &amp; pepper &#39;n&#x27; &lt;b&gt;&nbsp;oil", "salt & pepper 'n' <b> oil"),
        ("[Music]", ""),
        ("[Alba] En 1928, [door [slams]]", "En 1928,"),
        ("( clock ticking )", ""),
        ("(door opens) (Alan) come in", "come in"),
        ("thank you (applause and cheers) so much", "thank you so much"),
        ("add flour (about 200 g) now", "add flour (about 200 g) now"),
        ("♪ stir it up ♫", "stir it up"),
        (">> hello &gt;&gt;&gt; hi there", "hello hi there"),
        ("- Have a cup of tea.\n-It tastes like tea.", "Have a cup of tea. It tastes like tea."),
        ("-5 degrees, a well-known trick", "-5 degrees, a well-known trick"),
        ("  two\r\n\tlines\u00a0here ", "two lines here"),
        ("zero\u200bwidth\ufeff \x07bell", "zerowidth bell"),
        ("Cre\u0300me BRU\u0302LE\u0301E", "Crème BRÛLÉE"),
        ("a\ud800b", "ab"),
    ],
)
def test_only_what_is_said_stays(text, expected):
    assert plain_text(text) == expected


@pytest.mark.parametrize("text", ["(clock\nticking) now", "[a [b] c]", "- >> - cut", "(a\nb)\n(c)"])
def test_cleaning_twice_changes_nothing(text):
    once = plain_text(text)
    assert plain_text(once) == once
