from html.parser import HTMLParser

from rtickets.report.cell_table import cell_table


class Links(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.where = {}, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.where = dict(attributes).get("href")

    def handle_data(self, data):
        if self.where:
            self.found[data] = self.where
            self.where = None


def test_what_every_stage_of_a_cell_left_is_linked(study_maker):
    folders = {"ticket": "draw-x", "trained": "transfer-y z", "evaluation": "evaluate-w"}
    cell = {**study_maker[1]()[0], **folders}
    assert Links(cell_table([cell])).found == {
        "ticket": "../draw-x/ticket/ticket.json",
        "its config": "../draw-x/config.json",
        "transfer config": "../transfer-y%20z/config.json",
        "transfer": "../transfer-y%20z/result.json",
        "trained weights": "../transfer-y%20z/ticket/ticket.json",
        "evaluation": "../evaluate-w/result.json",
    }


def test_an_older_cell_has_the_links_that_it_knows(study_maker):
    (cell, *_) = study_maker[1]()
    assert list(Links(cell_table([cell])).found) == ["ticket", "its config"]
