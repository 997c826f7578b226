"""One kernel and several views of it: two pages, and two notebooks."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from .lab import Lab, Notebook
from .sidebar import NOT_LOADED, field, loaded, open_sidebar, show, sidebar_of

pytestmark = pytest.mark.ui


def test_what_one_page_changes_a_second_page_shows(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "two_pages")
    second = page.context.new_page()
    second.goto(f"{lab.url}/lab/workspaces/second/tree/{book.path.name}?reset&token={lab.token}")
    Notebook(second, book.path).wait_until_idle()
    open_sidebar(second)
    expect(field(second, "batch_size")).to_have_value("32")
    field(second, "batch_size").fill("24")
    field(second, "batch_size").press("Enter")
    expect(field(page, "batch_size")).to_have_value("24")
    field(page, "batch_size").fill("12")
    field(page, "batch_size").press("Enter")
    expect(field(second, "batch_size")).to_have_value("12")
    second.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel().then(() => null)")
    for one in (page, second):
        expect(sidebar_of(one)).to_contain_text(NOT_LOADED)


def test_a_page_that_missed_the_restart_of_its_kernel_sees_it_by_what_it_hears_next(lab: Lab, page: Page) -> None:
    book = loaded(lab, page, "deaf_page")
    deaf = page.context.new_page()

    # Now and then a page misses it by itself.
    def without_starting(socket: WebSocketRoute) -> None:
        def pass_on(message: str | bytes) -> None:
            if b'"starting"' not in (message if isinstance(message, bytes) else message.encode()):
                socket.send(message)

        socket.connect_to_server().on_message(pass_on)

    deaf.route_web_socket(re.compile("/channels"), without_starting)
    deaf.goto(f"{lab.url}/lab/workspaces/deaf/tree/{book.path.name}?reset&token={lab.token}")
    Notebook(deaf, book.path).wait_until_idle()
    open_sidebar(deaf)
    expect(field(deaf, "batch_size")).to_have_value("32")
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel().then(() => null)")
    for one in (page, deaf):
        expect(sidebar_of(one)).to_contain_text(NOT_LOADED)


def test_two_notebooks_with_one_kernel_have_the_same_sidebar(lab: Lab, page: Page) -> None:
    loaded(lab, page, "shares")
    handles = page.evaluate(
        """async () => {
            const app = window.jupyterapp;
            const kernel = app.shell.currentWidget.sessionContext.session.kernel;
            const other = await app.commands.execute('notebook:create-new', { kernelId: kernel.id });
            await other.sessionContext.ready;
            return other.sessionContext.session.kernel.handleComms;
        }"""
    )
    assert handles is False  # JupyterLab gives comms to the first only
    expect(sidebar_of(page)).to_contain_text("Untitled")
    field(page, "batch_size").fill("40")
    field(page, "batch_size").press("Enter")
    show(page, "shares.ipynb")
    expect(sidebar_of(page)).to_contain_text("shares.ipynb")
    expect(field(page, "batch_size")).to_have_value("40")
