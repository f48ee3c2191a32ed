package grpcwire

import "encoding/binary"

// Prefix is what is before a message: whether it is compressed, and its length.
type Prefix [5]byte

// Compressed reports whether the message is compressed, and whether the prefix says so legally.
func (p Prefix) Compressed() (compressed, legal bool) { return p[0] == 1, p[0] <= 1 }

// Size returns the length of the message in bytes.
func (p Prefix) Size() int64 { return int64(binary.BigEndian.Uint32(p[1:])) }

// Begin returns a prefix, behind which a message is to be appended for End.
func Begin() []byte { return make([]byte, len(Prefix{})) }

// End completes the prefix of a message that is not compressed.
func End(message []byte) []byte {
	binary.BigEndian.PutUint32(message[1:], uint32(len(message)-len(Prefix{})))
	return message
}
