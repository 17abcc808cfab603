"""The mark that a video was made by a machine: an XMP packet in the MP4 file, as editors and archives read it.

XMP lies in a box of its own behind the film (XMP specification, part 3: a `uuid` box); players pass over it. What it
says is the Digital Source Type of the IPTC, the word the industry has agreed on for synthetic media.
"""

import struct
from pathlib import Path
from typing import Final

COMMENT: Final = "Synthetic media, made with Parlo: a picture was animated and the speech is synthesised."
"""The same for people: the comment that players show."""
XMP_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
DIGITAL_SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

_PACKET: Final = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
   xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   xmlns:dc="http://purl.org/dc/elements/1.1/"
   xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
   xmp:CreatorTool="Parlo"
   Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{COMMENT}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def mark_film(path: Path) -> None:
    """Add the mark to a finished MP4 file. Raises `OSError`."""
    content = XMP_UUID + _PACKET.encode()
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 8 + len(content), b"uuid") + content)
