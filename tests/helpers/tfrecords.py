"""Write TFRecord files as StyleGAN and ALAE wrote them."""

from struct import pack

import google_crc32c


def masked_crc(content):
    crc = google_crc32c.value(content)
    return pack("<I", ((crc >> 15 | crc << 17) % 2**32 + 0xA282EAD8) % 2**32)


def record(content, length=None):
    header = pack("<Q", len(content) if length is None else length)
    return header + masked_crc(header) + content + masked_crc(content)


def varint(value):
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def example(packed=True, **features):
    entries = b""
    for name, value in features.items():
        if isinstance(value, bytes):
            feature = field(1, field(1, value))
        elif packed:
            feature = field(3, field(1, b"".join(map(varint, value))))
        else:
            feature = field(3, b"".join(b"\x08" + varint(each) for each in value))
        entries += field(1, field(1, name.encode()) + field(2, feature))
    return field(1, entries)


def image_example(image, **more):
    turned = image.transpose(2, 0, 1)
    return example(data=turned.tobytes(), shape=turned.shape, **more)


def write_records(path, examples):
    path.write_bytes(b"".join(map(record, examples)))
    return path
