"""The face engine: speech becomes face controls, face controls become pictures. Imports no Django."""
