"""Queue: runs and studies that start one after the other, in the slots of background workers."""
