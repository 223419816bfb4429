"""The problems on which plans are compared: drawn by us, by the rivals themselves, and logged."""
