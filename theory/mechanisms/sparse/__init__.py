"""Sparse attention: windows, routes, trees and mask graphs."""
