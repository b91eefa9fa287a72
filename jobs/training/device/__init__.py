"""What a device needs: several processes, memory, precision and compilation."""
