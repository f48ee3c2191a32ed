package runtime

import (
	"testing"
	"unsafe"
)

// An exchange, which each request allocates, is in the allocator's class of 576 bytes. One more
// field makes it 640.
func TestExchangeSize(t *testing.T) {
	if size := unsafe.Sizeof(exchange{}); unsafe.Sizeof(size) == 8 && size > 576 {
		t.Errorf("it has %d bytes", size)
	}
}
