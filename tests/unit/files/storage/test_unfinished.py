"""What a service answers to a question for unfinished uploads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from planar.files.storage.errors import StorageFailed
from planar.files.storage.unfinished import Page, Upload, parse_page

ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult {namespace}>
  <IsTruncated>{truncated}</IsTruncated><NextKeyMarker>b&amp;c</NextKeyMarker><NextUploadIdMarker>2</NextUploadIdMarker>
  <Upload><Key>a</Key><UploadId>1</UploadId><Initiated>2026-03-04T05:06:07.000Z</Initiated></Upload>
  <Upload><UploadId>2</UploadId><Key>b&amp;c</Key><Initiated>2026-03-04T05:06:07</Initiated></Upload>
</ListMultipartUploadsResult>"""

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
UPLOADS = (Upload("a", "1", MOMENT), Upload("b&c", "2", MOMENT))


@pytest.mark.parametrize("namespace", ["", 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_uploads_and_the_way_to_the_next_ones_are_read(namespace: str) -> None:
    last = parse_page(ANSWER.format(namespace=namespace, truncated="false"))
    assert last == Page(UPLOADS, None)
    more = parse_page(ANSWER.format(namespace=namespace, truncated="true"))
    assert more == Page(UPLOADS, {"key-marker": "b&c", "upload-id-marker": "2"})


@pytest.mark.parametrize("document", ["", "no XML", "<a>", "<a><Upload><Initiated>yesterday</Initiated></Upload></a>"])
def test_something_else_is_an_error(document: str) -> None:
    with pytest.raises(StorageFailed, match="something else"):
        parse_page(document)
