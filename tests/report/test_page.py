"""The page as text."""

import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from latentgeo.report import tables
from latentgeo.results import models_of

VOID = {"meta", "link", "img", "br", "input"}


class Outline(HTMLParser):
    """Collects headings, images, table heads and addresses; checks that tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.images, self.addresses, self.ids = [], [], [], [], []
        self.heads, self.scripts = [], 0
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if found.get("role") == "img":
            self.images.append(found)
        if tag == "th":
            self.heads.append(found)
        if tag == "script":
            self.scripts += 1
        self.addresses += [found[name] for name in ("src", "href") if name in found]
        if "id" in found:
            self.ids.append(found["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(text):
    return Outline(text)


def plain(page):
    """Return the text of a page without tags, white space collapsed."""
    words = re.sub(r"(?s)<(style|script)>.*?</\1>|<[^>]+>", " ", page.read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", unescape(words))


def test_stands_alone(outline):
    assert outline.scripts == 1
    assert all(address.startswith(("data:", "#")) for address in outline.addresses)


@pytest.mark.parametrize("tag", ["style", "script"])
def test_the_policy_lets_in_one_style_and_one_script_by_their_hashes(text, tag):
    (policy,) = re.findall('Security-Policy" content="([^"]+)"', text)
    (content,) = re.findall(f"(?s)<{tag}>(.*?)</{tag}>", text)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in unescape(policy)
    assert "unsafe" not in policy
    assert ' style="' not in text


def test_every_link_inside_has_its_target(outline):
    targets = [address[1:] for address in outline.addresses if address.startswith("#")]
    assert targets
    assert set(targets) <= set(outline.ids)


def test_ids_are_used_once(outline):
    assert len(outline.ids) == len(set(outline.ids))


def test_headings_step_down_one_level_at_a_time(outline):
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert max(np.diff(outline.headings)) <= 1


def test_figures_are_drawings_that_say_what_they_show(outline):
    # A single model has nothing in common with others, and no units.
    assert len(outline.images) in (12, 14)
    for image in outline.images:
        assert len(image["aria-label"]) > 40
        assert image["viewbox"].startswith("0 0 ")


def test_alternative_texts_state_the_finding(text):
    (said,) = re.findall('class="drawing" aria-label="(Hilbert dimension and PSNR[^"]+)"', text)
    assert re.search(r"CAE: Hilbert dimension of the latent .*: \d+", said)


def test_points_of_curves_bear_their_values(text):
    assert re.search(r"<title>CAE: 2\d\.\d \[2\d\.\d, 2\d\.\d\]</title>", text)


def test_tables_have_captions_and_csv(text):
    tables = text.count("<table>")
    assert tables > 5
    assert text.count("<caption") == tables
    assert len(re.findall('<a download="[^"]+.csv" href="data:text/csv', text)) == tables


def test_table_heads_have_a_scope(outline):
    assert outline.heads
    assert all(head.get("scope") in ("col", "row") for head in outline.heads)


def test_no_number_is_missing(text):
    shown = re.sub(r"(?s)<pre.*?</pre>|base64,[^\"]+", "", text)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", shown)


def test_says_what_was_analysed_and_how_sure_it_is(page):
    words = plain(page)
    assert "digits" in words
    assert "0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5" in words
    assert "95 % interval" in words


def test_every_number_of_a_model_that_has_not_learned_is_marked(page_of):
    text = page_of(8).read_text(encoding="utf-8")
    rows = re.findall(r"<tr[^>]*><th scope=\"row\">CAE seed 1.*?</tr>", text)
    assert len(rows) > 5
    assert all('class="doubted"' in row and "not learned" in row for row in rows)
    assert "not learned" not in "".join(
        re.findall(r"<tr[^>]*><th scope=\"row\">CAE<.*?</tr>", text)
    )
    named = [svg for svg in re.findall("(?s)<svg.*?</svg>", text) if "CAE seed 1" in svg]
    assert len(named) > 8
    assert all("learned" in svg for svg in named)


def test_learned_says_how_well(synthetic, write):
    words = plain(write(synthetic.make_tree(3)))
    assert re.search(r"Learned \+1\d\.\d dB over the mean image", words)
    assert re.search(r"Learned \+1\d\.\d dB \d\.\d dB behind CAE", words)


def test_a_sentence_says_what_differs(synthetic, write):
    words = plain(write(synthetic.make_tree(3)))
    assert re.search(r"The models differ in PSNR \([\d.]+ dB for VAE, [\d.]+ dB for CAE\)", words)
    assert "The models differ" not in plain(write(synthetic.make_tree(1)))
    unlearned = plain(write(synthetic.make_tree(8, only=["CAE", "CAE seed 1"])))
    assert "Fewer than two of these models have learned" in unlearned


def test_the_first_table_is_never_wider_than_a_page(synthetic):
    for table in tables.at_a_glance(models_of(synthetic.make_tree(8)), "noisy"):
        assert len(table.columns) <= 7


def test_names_what_was_left_out_for_vectors(synthetic, write):
    words = plain(write(synthetic.make_tree(8, only=["CAE", "CAE-MLP"])))
    assert "CAE-MLP , rank : a vector latent" in re.sub(r"\s*([,:])\s*", r" \1 ", words)


def test_what_is_left_out_for_several_models_is_said_once(synthetic, write):
    words = plain(write(synthetic.make_tree(only=["CAE-MLP", "VAE-MLP"])))
    assert words.count("has no three unfoldings") == 1
    assert "CAE-MLP and VAE-MLP , rank" in words


def test_a_model_without_a_decoder_has_a_whole_report(synthetic, write):
    label = "resnet:layer3.block 1"
    page = write(synthetic.make_tree(only=[label]))
    words = plain(page)
    Outline(page.read_text(encoding="utf-8"))
    assert "Learned unknown no decoder" in words
    assert "not learned" not in words
    assert "The paper's statements beside ours" not in words
    assert "PSNR (dB)" not in words
    assert "Images that keep their stratum" in words
    assert "no model of this analysis has a decoder, so nothing is reconstructed" in words


def test_a_model_without_a_decoder_stands_beside_others(synthetic, write):
    label = "resnet:layer3.block 1"
    words = plain(write(synthetic.make_tree(only=["CAE", label])))
    assert f"{label} 64×7×7" in words.replace("—", "")
    assert "unknown" in words
    assert "not learned" not in words


def test_says_intrinsic_dimension_smoothness_and_units(page):
    words = plain(page)
    assert "Intrinsic dimension of the set of latents" in words
    assert "Smoothness measured on the decoder: every latent direction changes" in words
    assert "The decoder's metric beside the strata" in words
    assert "Where it still rises with the number of images, it is a lower bound" in words


def test_units_are_counted_and_listed(synthetic, write):
    words = plain(write(synthetic.make_tree(only=["VAE-MLP", "CAE-MLP"])))
    assert "Active units: 16 [15, 17] of 32 on clean images; 16 collapsed onto the prior" in words
    assert "16 never vary." in words
    assert "Units of VAE-MLP, clean images" in words
    assert "Units at every noise level" in words
    assert "Active units and collapse" not in plain(write(synthetic.make_tree(only=["CAE"])))


def test_short_vectors_leave_subspaces_no_room(synthetic, write):
    tree = synthetic.make_tree(only=["CAE-MLP"])
    tree["CAE-MLP"]["hilbert_dimension"][:] = 20
    assert "subspaces of dimension 20 and 20 always share at least 8 directions" in plain(
        write(tree)
    )
    tree["CAE-MLP"]["hilbert_dimension"][:] = 16
    assert "always share at least" not in plain(write(tree))


def test_names_with_signs_stand_in_the_page_as_they_are(synthetic, write):
    label = "_odd $name$:decoder.net.features.conv_2"
    page = write(synthetic.make_tree(only=["VAE", label]))
    outline = Outline(page.read_text(encoding="utf-8"))
    assert label in plain(page)
    assert len(outline.ids) == len(set(outline.ids))
    assert not [name for name in outline.ids if " " in name]


def test_an_analysis_from_before_has_a_report(synthetic, write):
    tree = synthetic.make_tree(1)
    newer = [n for n in tree["CAE"].data_vars if n.startswith(("intrinsic_", "pullback_"))]
    tree["CAE"].dataset = tree["CAE"].to_dataset().drop_vars(newer)
    assert "Intrinsic dimension of the set" not in plain(write(tree))


def test_vectors_alone_have_no_tables_of_ranks(synthetic, write):
    words = plain(write(synthetic.make_tree(8, only=["CAE-MLP"])))
    assert "Not measured, and why" in words
    assert "all latents of this analysis are vectors" in words
    assert "Ranks under two rules" not in words


def test_clean_images_alone_have_no_noisy_columns(synthetic, write):
    words = plain(write(synthetic.make_tree(3, noise=(0.0,))))
    assert "no noise" not in words
    assert "noise level 0 only" in words


def test_text_from_outside_is_escaped(synthetic, write):
    tree = synthetic.make_tree(1)
    tree["CAE"].attrs["verdict"] = "<script>alert(1)</script> & more"
    tree.attrs["data"] = "<b>mine</b>\u202egpj"
    text = write(tree).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text
    assert "<b>mine" not in text
    assert "\u202e" not in text
    assert "&lt;b&gt;mine&lt;/b&gt;\\u202egpj" in text


def test_shows_provenance_and_summary(page, synthetic):
    words = plain(page)
    assert "latentgeo analyze a b c --data digits" in words
    assert "schema_version" in words
    assert "&#34;torch&#34;: &#34;2.13.0&#34;" in page.read_text(encoding="utf-8")


def test_an_analysis_without_figures_has_a_page(synthetic, write):
    text = write(synthetic.make_tree(1)).read_text(encoding="utf-8")
    assert "<figure" not in text
    assert "Headline numbers of every measure" in text


def test_the_same_analysis_gives_the_same_page(synthetic, write):
    tree = synthetic.make_tree(2)
    assert write(tree).read_bytes() == write(tree).read_bytes()


def test_omitted_is_read_as_json(synthetic, write):
    tree = synthetic.make_tree(1)
    tree["CAE"].attrs["omitted"] = json.dumps([{"analysis": "x", "reason": "because y"}])
    assert "because y" in plain(write(tree))
